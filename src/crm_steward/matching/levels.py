"""Levels: what makes two contacts duplicates, in the words of the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crm_steward.matching.names import SIMILAR_NAME

AGREES: Final = 1.0
"""Score of an identifier and a name that say the same."""
NAME_MISSING: Final = 0.95
"""Score of one mailbox where a record has no name to confirm or deny it."""
NAME_DIFFERS: Final = 0.75
"""Score of one personal mailbox under two names: a marriage, a couple, a successor. A person decides."""
BY_PHONE: Final = 0.98
"""What a similar name counts for where a telephone, which a family may share, is the identifier."""


@dataclass(frozen=True, slots=True)
class Level:
    """One way for two contacts to be duplicates.

    Args:
        name: As rules write it.
        keys: Columns whose values block: contacts are compared when they share one.
        qualifies: SQL over `similarity`, `nameless` (neither has a name) and `role` (all they share
            is a mailbox of a function): whether the pair belongs to the level.
        score: SQL over the same: 0 to 1, an order of certainty and not a probability.
    """

    name: str
    keys: tuple[str, ...]
    qualifies: str
    score: str


_SAME_EMAIL: Final = Level(
    name="same e-mail",
    keys=("email_key",),
    # A mailbox of a function (info@) is many people's: the names must agree. Two records that
    # have no name at all are both the function.
    qualifies=f"(NOT role OR nameless OR similarity >= {SIMILAR_NAME})",
    score=f"""CASE WHEN similarity IS NULL THEN {NAME_MISSING}
        WHEN similarity >= {SIMILAR_NAME} THEN {AGREES} ELSE {NAME_DIFFERS} END""",
)

_SAME_PHONE: Final = Level(
    name="same phone and similar name",
    keys=("phone_key", "mobile_key"),
    qualifies=f"similarity >= {SIMILAR_NAME}",
    score=f"{BY_PHONE} * similarity",
)

LEVELS: Final = {level.name: level for level in (_SAME_EMAIL, _SAME_PHONE)}
"""Every level by name, the strongest first."""
