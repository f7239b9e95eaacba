"""The digest as a JSON document, for other programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, tzinfo
from typing import Any

from crm_steward.model import Severity
from crm_steward.report.digest import Digest, Example
from crm_steward.report.listing import LISTED
from crm_steward.report.owners import OwnerDigest
from crm_steward.report.weeks import Week
from crm_steward.rules import Duration

_VALUES = frozenset({"now", "proposed", "pairs"})
"""What evidence may hold of a contact's own values; the report never shows it."""


_PRIVACY = frozenset({"consents", "retention", "protection", "hygiene", "reminders"})
"""The sections of the digest of data protection."""


def as_document(digest: Digest | OwnerDigest, *, privacy: bool = False) -> dict[str, Any]:
    """Return all that the digest says, JSON-ready, without values of contacts.

    Args:
        digest: One week.
        privacy: Only what the digest of data protection says of it.
    """
    document: dict[str, Any] = _plain(digest)
    if privacy:
        head = {"week", "since", "until", "zone"}
        document = {name: part for name, part in document.items() if name in _PRIVACY | head}
    return document


def _plain(value: Any) -> Any:
    if isinstance(value, Severity):
        return value.label
    if isinstance(value, Week | tzinfo | Duration):
        return str(value)
    if isinstance(value, date):  # and a time, which is one
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return _parts(value) if is_dataclass(value) else value


def _parts(value: Any) -> dict[str, Any]:
    told = [part.name for part in fields(value) if LISTED.items().isdisjoint(part.metadata.items())]
    parts = {name: _plain(getattr(value, name)) for name in told}
    if isinstance(value, Example):
        parts["evidence"] = {k: v for k, v in parts["evidence"].items() if k not in _VALUES}
    return parts
