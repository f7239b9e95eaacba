"""Levels: what makes two contacts duplicates, in the words of the rules."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_SIMILAR: Final = "(swapped IN (1, 2) OR (first IN (1, 2, 3) AND last IN (1, 2)))"
"""The same name, a nickname of it, or a slip in it; first and last name may be swapped."""
_EMAIL: Final = "greatest(email, email_moved)"
_PLACE: Final = "greatest(place, place_moved)"

LEVELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "same e-mail and similar name": f"{_EMAIL} IN (1, 2, 3) AND {_SIMILAR}",
        "same birth date and similar name": f"born = 1 AND {_SIMILAR}",
        "same phone and similar name": f"number = 1 AND {_SIMILAR}",
        "similar e-mail and similar name": f"{_EMAIL} IN (4, 5) AND {_SIMILAR}",
        "same address and similar name": f"{_PLACE} = 1 AND {_SIMILAR}",
        "same company and similar name": f"company IN (1, 2) AND {_SIMILAR}",
        # A mailbox of a function (info@) is many people's: it says nothing without a name, unless
        # both records are the function.
        "same e-mail": f"{_EMAIL} IN (1, 2) OR ({_EMAIL} = 3 AND ({_SIMILAR} OR nameless))",
    }
)
"""Every level by name, the strongest first → SQL over `matching.compared`."""

ALL_EVIDENCE: Final = "all evidence together"
"""The level of a pair that no level names and that the score finds."""

DECIDED: Final = "decided by a person"
"""The level of a pair that somebody said is one person."""
