"""Score: how likely it is that a pair of contacts is one person, in bits and as a probability."""

from __future__ import annotations

from collections.abc import Mapping
from math import log2
from types import MappingProxyType
from typing import Final

from crm_steward.matching.comparing import COMPARISONS
from crm_steward.matching.weights import LEAST, RELATIONS, Weights
from crm_steward.matching.work import Work

_BASE: Final = "base_bits"
_COMMON: Final = f"log2(company_holders) - {_BASE}"
_THERE: Final = f"log2(place_holders) - {_BASE}"

CHANCE: Final[Mapping[str, Mapping[int, str]]] = MappingProxyType(
    {
        "first name": {
            1: "-first_bits",
            2: "1 - first_bits",
            3: "2 - first_bits",
            4: "-4",
            5: "1 - first_bits",
            6: "-0.05",
        },
        "last name": {1: "-last_bits", 2: "2.5 - last_bits", 3: "2 - last_bits", 4: "-4"},
        "swapped names": {1: "-swapped_bits", 2: "2.5 - swapped_bits", 3: "5 - swapped_bits"},
        "e-mail": {
            **dict.fromkeys((1, 2), f"log2(coalesce(email_holders, 50)) - {_BASE} - 3"),
            3: f"log2(coalesce(email_holders, 50)) - {_BASE}",
            4: f"-{_BASE}",
            5: f"greatest(log2(coalesce(local_holders, 20)) - {_BASE}, -10)",
            6: "-1",
            7: "-3",
            8: "-5.64",
            9: "-2",
            10: "-2",
        },
        "number in the e-mail": {1: "-5"},
        "phone": {1: f"log2(coalesce(number_holders, 20)) - {_BASE}", 2: "-12"},
        "company": {1: _COMMON, 2: _COMMON, 3: f"{_COMMON} + 1"},
        "place": {1: _THERE, 2: f"{_THERE} - 3", 3: _THERE, 4: _THERE, 5: _THERE},
        "birth date": {1: "-14.5", 2: "-7"},
    }
)
"""log2 of how often two strangers show a level: SQL, by comparison and level; 0 where it is not said.
A value that few have is seldom shared by chance; one that half of the base has, half of the time.
Two people are born on one day once in 23,000 pairs."""


def _cases(column: str, values: Mapping[int, str]) -> str:
    whens = " ".join(f"WHEN {level} THEN {sql}" for level, sql in values.items())
    return f"(CASE {column} {whens} ELSE 0 END)"


def chance(name: str) -> str:
    """Return SQL for log2 of how often two strangers show what is seen of a comparison."""
    by_level = CHANCE[name.removesuffix(", other company")]
    column = next(one.column for one in COMPARISONS if one.name == name)
    return _cases(column, by_level)


NAMES: Final = ("first name", "last name")
_NAMES_BY_CHANCE: Final = (
    f"(CASE WHEN swapped > 0 THEN {chance('swapped names')} "
    f"ELSE {chance('first name')} + {chance('last name')} END)"
)
_OTHERS: Final = ("e-mail", "e-mail, other company", "number in the e-mail", "phone", "birth date")
_PLACE_BY_CHANCE: Final = (
    f"least({chance('company')}, {chance('place')} + {chance('place, other company')})"
)
"""A company is at an address: both are one piece of evidence, of which the rarer counts."""


def _strangers(weights: Weights) -> str:
    others = " + ".join(chance(name) for name in _OTHERS)
    odds = log2(weights.strangers_odds)
    return f"{_BASE} + {odds:.4f} + {_NAMES_BY_CHANCE} + {_PLACE_BY_CHANCE} + {others}"


def seen(weights: Weights, relation: str, *names: str) -> str:
    """Return SQL for log2 of how often a relation shows what is seen of some comparisons."""
    shares = getattr(weights, relation)
    parts = []
    for one in COMPARISONS:
        if one.name in names and one.name in shares:
            bits = {
                level: f"{log2(max(shares[one.name][name], LEAST)):.3f}"
                for level, name in one.levels.items()
            }
            parts.append(_cases(one.column, bits))
    return " + ".join(parts)


_NOT_NAMES: Final = tuple(
    one.name for one in COMPARISONS if one.name not in {*NAMES, "swapped names"}
)


def _related(weights: Weights, relation: str) -> str:
    swapped = seen(weights, relation, "swapped names")
    names = seen(weights, relation, *NAMES)
    rest = seen(weights, relation, *_NOT_NAMES)
    return f"(CASE WHEN swapped > 0 THEN {swapped} ELSE {names} END) + {rest}"


def _colleagues(weights: Weights) -> str:
    """Return SQL for two colleagues: their names agree by chance, their company does not."""
    rest = seen(weights, "colleagues", *(name for name in _NOT_NAMES if name != "phone"))
    return (
        f"CASE WHEN company IN (1, 2, 3) THEN log2(company_holders) + {_NAMES_BY_CHANCE} + {rest} "
        f"+ {phone_of_colleagues(weights)} + {chance('birth date')} ELSE -99 END"
    )


def phone_of_colleagues(weights: Weights) -> str:
    """Return SQL for log2 of how often colleagues show what is seen of phones: a switchboard is theirs."""
    switchboard = "least(-0.5, log2(coalesce(number_holders, 20)) - log2(company_holders))"
    phone = seen(weights, "colleagues", "phone")
    return f"(CASE WHEN number = 1 THEN {switchboard} ELSE {phone} END)"


def hypotheses(weights: Weights) -> Mapping[str, str]:
    """Return, for each thing that two contacts may be, SQL for log2 of its odds."""
    family = f"{log2(weights.family_odds):.4f} + {_related(weights, RELATIONS[1])}"
    return {
        "same": _related(weights, RELATIONS[0]),
        "strangers": _strangers(weights),
        "family": family,
        "colleagues": _colleagues(weights),
    }


def score(work: Work, weights: Weights, *, source: str = "compared", into: str = "scored") -> None:
    """Make `matching.scored`: each compared pair with its evidence in bits.

    `bits` is log2 of the odds that the two are one person: 0 is as likely as not, 6.6 is 99 %.
    Beside it stand the four hypotheses that it comes from.
    """
    four = ", ".join(f"({sql})::FLOAT AS {name}" for name, sql in hypotheses(weights).items())
    work.run(
        f"CREATE OR REPLACE TABLE matching.{into} AS SELECT *, (same - greatest(strangers, family, "
        "colleagues) - log2(pow(2, strangers - greatest(strangers, family, colleagues)) "
        "+ pow(2, family - greatest(strangers, family, colleagues)) "
        "+ pow(2, colleagues - greatest(strangers, family, colleagues))))::FLOAT AS bits "
        f"FROM (SELECT *, {four} FROM matching.{source})"
    )
