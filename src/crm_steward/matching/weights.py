"""Weights: how often each level of each comparison is seen, by what two contacts are to each other.

Fellegi and Sunter (A Theory for Record Linkage, Journal of the American Statistical Association
64, 1969) weigh a pair by how much likelier what is seen would be for one person than for two. Two
people are not all strangers, though: families share a name, an address and a telephone, colleagues
a company, a domain and a switchboard. So a pair is weighed against the likeliest of three: two
strangers, two of a family, two colleagues.

For strangers nothing is learnt: how often two of them agree follows from how many bear each value
in the base at hand (`scoring`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from crm_steward.matching.comparing import COMPARISONS

Shares = Mapping[str, Mapping[str, float]]
"""Comparison → level → share of the pairs that have both values."""

RELATIONS: Final = ("same", "family", "colleagues")
"""What two contacts may be, besides strangers, of which something is learnt."""

LEAST: Final = 0.0002
"""No level is ever impossible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What is known of pairs.

    Args:
        same: Of two contacts of one person.
        family: Of two people of one family.
        colleagues: Of two people of one company, where they differ from strangers.
        strangers_odds: Two strangers for each two contacts of one person, times the contacts.
        family_odds: Two of a family for each two contacts of one person.
        source: Where they come from.
    """

    same: Shares
    family: Shares
    colleagues: Shares
    strangers_odds: float
    family_odds: float
    source: str

    @property
    def version(self) -> str:
        """What tells these weights from others: 8 hexadecimal digits."""
        content = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:8]

    def to_json(self) -> dict[str, Any]:
        """Return them as JSON holds them."""
        return {
            "same": {name: dict(shares) for name, shares in self.same.items()},
            "family": {name: dict(shares) for name, shares in self.family.items()},
            "colleagues": {name: dict(shares) for name, shares in self.colleagues.items()},
            "strangers_odds": self.strangers_odds,
            "family_odds": self.family_odds,
            "source": self.source,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return what `to_json` wrote."""
        return cls(**content)


def shares(text: str) -> dict[str, dict[str, float]]:
    """Return the shares that a table writes: a comparison a line, its levels in their order."""
    found = {}
    for line in text.strip().splitlines():
        name, _, numbers = line.partition(":")
        levels = next(one.levels for one in COMPARISONS if one.name == name.strip())
        found[name.strip()] = dict(zip(levels.values(), map(float, numbers.split()), strict=True))
    return found


SHIPPED: Final = Weights(
    same=shares(
        """
        first name: 0.83 0.038 0.041 0.022 0.048 0.021
        last name: 0.882 0.049 0.048 0.001 0.021
        swapped names: 0.030 0.004 0.004
        e-mail: 0.806 0.112 0.017 0.011 0.006 0.024 0.0015 0.0005 0.018 0.004
        e-mail, other company: 0.009 0.0013 0.0013 0.0013 0.127 0.27 0.024 0.0013 0.0013 0.56
        number in the e-mail: 0.32 0.68
        phone: 0.795 0.019 0.186
        company: 0.794 0.152 0.019 0.035
        place: 0.409 0.159 0.343 0.0005 0.032 0.058
        place, other company: 0.0265 0.007 0.021 0.0014 0.038 0.906
        birth date: 0.97 0.02 0.01
        """
    ),
    family=shares(
        """
        first name: 0.19 0.005 0.003 0.0015 0.003 0.80
        last name: 0.929 0.014 0.024 0.001 0.033
        swapped names: 0.001 0.0005 0.0005
        e-mail: 0.006 0.37 0.0005 0.001 0.008 0.017 0.001 0.0005 0.597 0.0005
        e-mail, other company: 0.003 0.003 0.003 0.003 0.37 0.0035 0.0045 0.003 0.003 0.6
        number in the e-mail: 0.024 0.976
        phone: 0.54 0.008 0.452
        company: 0.02 0.003 0.003 0.974
        place: 0.444 0.092 0.363 0.0005 0.098 0.002
        place, other company: 0.003 0.003 0.004 0.003 0.127 0.859
        birth date: 0.176 0.019 0.805
        """
    ),
    colleagues=shares(
        """
        e-mail: 0.0005 0.0005 0.012 0.0005 0.0005 0.0035 0.002 0.98 0.0005 0.0005
        number in the e-mail: 0.001 0.999
        phone: 0.5 0.0145 0.985
        place: 0.895 0.032 0.068 0.0005 0.005 0.0005
        """
    ),
    strangers_odds=1.0,
    family_odds=0.12,
    source="shipped: counted on an invented population of 100,000 contacts of five countries",
)
"""What rules use unless they say otherwise. `bench/duplicates.py` shows them on other populations."""
