"""A finding: what a rule says about one record or one group of records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from crm_steward.model.contact import RecordRef


class Severity(IntEnum):
    """How much it matters; ordered, so that sorting by impact is one key."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """The name used in rules and reports."""
        return self.name.lower()

    @classmethod
    def parse(cls, label: str) -> Severity:
        """Read a label back.

        Raises:
            KeyError: There is no such severity.
        """
        return cls[label.upper()]


def fingerprint(rule: str, refs: Sequence[RecordRef], about: str = "") -> str:
    """Return the identity of a finding: stable across runs, whatever the order of `refs`.

    Args:
        rule: The rule's id.
        refs: The records it is about.
        about: What tells apart several findings of one rule on one record (a field's name).

    Returns:
        32 hexadecimal digits.
    """
    content = json.dumps([rule, sorted(str(ref) for ref in refs), about], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found.

    Args:
        rule: The rule's id.
        kind: The check kind (`stale`, `duplicates`, …).
        severity: How much it matters.
        refs: One record, or the members of a group, sorted.
        about: What tells apart several findings of one rule on one record (a field's name).
        evidence: JSON-ready facts that explain it (`{"field": "phone", "now": …, "proposed": …}`).
        score: Certainty between 0 and 1, where the check knows one.
        known_as: The fingerprint under which the store knows it: a group that gained or lost
            members keeps its own. Without one, it is worked out from the records.
    """

    rule: str
    kind: str
    severity: Severity
    refs: tuple[RecordRef, ...]
    about: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    score: float | None = None
    known_as: str = field(default="", compare=False)

    @property
    def fingerprint(self) -> str:
        """The identity of this finding across runs."""
        return self.known_as or fingerprint(self.rule, self.refs, self.about)
