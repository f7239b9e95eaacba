"""What a connection can do and holds: known before it is opened, so that rules are checked against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class Capability(StrEnum):
    """What a connection can do beyond being read. Declared, never discovered by failing."""

    UPDATE = "update"
    TASK = "task"
    CLOSE_TASK = "close task"
    READ_TASK = "read task"
    SUPPRESS_EMAIL = "suppress email"
    SUPPRESS_PHONE = "suppress phone"
    SUPPRESS_SMS = "suppress sms"
    LIFT_EMAIL = "lift email"
    LIFT_PHONE = "lift phone"
    LIFT_SMS = "lift sms"
    MERGE = "merge"
    ARCHIVE = "archive"
    UNDELETE = "undelete"
    UNMERGE = "unmerge"
    RECREATE = "re-create"
    INCREMENTAL = "incremental read"
    CONDITIONAL_UPDATE = "conditional update"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeHabits:
    """What the CRM's own merge does with the losers' values; what it does not keep is lost.

    Args:
        fills: Fields in which the survivor takes over what it lacks, from the first loser that has
            it; `extra` stands for all custom ones.
        unites: Fields (email, phone, mobile) of which the survivor keeps everybody's addresses.
    """

    fills: frozenset[str] = frozenset()
    unites: frozenset[str] = frozenset()

    def keeps(self, name: str) -> bool:
        """Whether a survivor without a value in the field `name` takes over a loser's."""
        return ("extra" if name.startswith("extra.") else name) in self.fills | self.unites


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """Why a connector cannot undo something, and what a person does instead.

    Args:
        en: It in English, as the end of a sentence.
        fr: It in French.
        within: How long after the change the CRM lets people do so; None: no matter when.
    """

    en: str
    fr: str
    within: timedelta | None = None


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
        fixed: Fields that changes write elsewhere and not here.
        sources: Our field → the CRM's, as far as the settings map it: the CRM may call it read-only.
        merging: What its own merge keeps.
        remedies: Capability that it lacks → why, and what a person does instead.
        undeletes_within: How long the CRM's recycle bin keeps what is archived or merged away; None:
            that is not known.
    """

    fields: frozenset[str] | None
    can: frozenset[Capability]
    consent_fields: frozenset[str] = frozenset()
    keeps_optouts: bool = False
    fixed: frozenset[str] = frozenset()
    sources: Mapping[str, str] = field(default_factory=dict)
    merging: MergeHabits = field(default_factory=MergeHabits)
    remedies: Mapping[Capability, Remedy] = field(default_factory=dict)
    undeletes_within: timedelta | None = None
