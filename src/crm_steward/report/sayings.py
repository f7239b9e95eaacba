"""What a finding says, in words: which field and what is wrong with it, never its value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from crm_steward.report.words import Words, plain

Evidence = Mapping[str, Any]
_MOST = 4
"""Fields named in one line."""


def say(kind: str, evidence: Evidence, words: Words, members: int = 1) -> str:
    """Return one line about a finding.

    Evidence of a kind that is not known here, or not shaped as that kind promises, says nothing.

    Args:
        kind: The check kind.
        evidence: What the rule left.
        words: The language.
        members: How many records it is about.
    """
    sayer = _SAYERS.get(kind)
    return sayer(evidence, words, members) if sayer else ""


_CROWD = re.compile(r"(?:.*?: )?(?P<level>[^:]+): (?P<n>\d+) contacts share one value")
"""How the duplicate check says that a value is too common to compare its holders."""


def left_out(reason: str, words: Words) -> str:
    """Return why contacts were not compared, in the reader's language where it is known."""
    crowd = _CROWD.fullmatch(reason)
    if crowd is None:
        return reason
    return words("left.crowd", level=words.known("level", crowd["level"]))


def _format(evidence: Evidence, words: Words, _members: int) -> str:
    name = str(evidence.get("field") or "")
    problem = evidence.get("problem") or _UNFORMATTED.get(name, "other")
    said = words("says.format", field=words.field(name), problem=words.known("problem", problem))
    return f"{said}, {words('says.fixable')}" if evidence.get("proposed") else said


_UNFORMATTED = {
    "first_name": "case",
    "last_name": "case",
    "email": "stray",
    "phone": "national",
    "mobile": "national",
}
"""What is wrong with a value that is sound and only written unlike the others."""


def _required(evidence: Evidence, words: Words, _members: int) -> str:
    missing = [words.field(name) for name in _names(evidence.get("missing"))]
    return words("says.required", fields=words.listed(missing)) if missing else ""


def _stale(evidence: Evidence, words: Words, _members: int) -> str:
    last = _moment(evidence.get("last"))
    return words("says.stale", last=words.day(last)) if last else words("says.stale.never")


def _consent(evidence: Evidence, words: Words, _members: int) -> str:
    channel = words.known("channel", evidence.get("channel"), "email")
    status = words.known("consent", evidence.get("status"), "unknown")
    missing = [words.known("proof", name, "how") for name in _names(evidence.get("missing_proof"))]
    if evidence.get("problem") == "contradicted":
        return words("says.consent.contradicted", channel=channel, status=status)
    if not missing:
        return words("says.consent", channel=channel, status=status)
    listed = words.listed(missing)
    return words("says.consent.proof", channel=channel, status=status, missing=listed)


def _duplicates(evidence: Evidence, words: Words, members: int) -> str:
    return words("says.duplicates", n=members, level=words.known("level", evidence.get("level")))


_SAYERS: Mapping[str, Callable[[Evidence, Words, int], str]] = {
    "format": _format,
    "required": _required,
    "stale": _stale,
    "consent": _consent,
    "duplicates": _duplicates,
}


def _names(value: object) -> Sequence[str]:
    return [plain(str(name), 60) for name in value[:_MOST]] if isinstance(value, list) else []


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
