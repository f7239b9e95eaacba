"""What a connection can do and holds: known before it is opened, so that rules are checked against it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Capability(StrEnum):
    """What a connection can do beyond being read. Declared, never discovered by failing."""

    UPDATE = "update"
    TASK = "task"
    CLOSE_TASK = "close task"
    SUPPRESS_EMAIL = "suppress email"
    SUPPRESS_PHONE = "suppress phone"
    SUPPRESS_SMS = "suppress sms"
    MERGE = "merge"
    ARCHIVE = "archive"
    INCREMENTAL = "incremental read"
    CONDITIONAL_UPDATE = "conditional update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """What one connection holds and can do, known before it is opened.

    Args:
        fields: Canonical fields and `extra.<name>` that it holds; None: not known before it is
            read (a file).
        can: What it can do.
        consent_fields: Fields (mostly `extra.<name>`) that are mapped to a field of the CRM that
            holds consent, its proof or an opt-out: no rule may set them.
        keeps_optouts: Whether an opt-out from e-mail hangs on the address and outlives the record.
    """

    fields: frozenset[str] | None
    can: frozenset[Capability]
    consent_fields: frozenset[str] = frozenset()
    keeps_optouts: bool = False
