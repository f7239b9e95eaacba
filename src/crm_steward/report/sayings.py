"""What a finding says, in words: which field and what is wrong with it, never its value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crm_steward.report.words import Words
from crm_steward.rules.kinds import KINDS

Evidence = Mapping[str, Any]


def say(kind: str, evidence: Evidence, words: Words, members: int = 1) -> str:
    """Return one line about a finding.

    Evidence of a kind that is not known here, or not shaped as that kind promises, says nothing.

    Args:
        kind: The check kind.
        evidence: What the rule left.
        words: The language.
        members: How many records it is about.
    """
    return KINDS[kind].say(evidence, words, members) if kind in KINDS else ""


_CROWD = re.compile(r"(?:.*?: )?(?P<level>[^:]+): (?P<n>\d+) contacts share one value")
"""How the duplicate check says that a value is too common to compare its holders."""

_COMMON = "with very common values are compared only where something else agrees"
"""How it says that names are too common to compare all who have them."""


def left_out(reason: str, words: Words) -> str:
    """Return why contacts were not compared, in the reader's language where it is known."""
    if reason.endswith(_COMMON):
        return words("left.common")
    crowd = _CROWD.fullmatch(reason)
    if crowd is None:
        return reason
    return words("left.crowd", level=words.known("level", crowd["level"]))
