"""The page that `crm-steward audit` leaves: what is wrong with one file.

It is the user's own file on the user's own machine, so that values are shown, which the weekly mail
never does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from crm_steward.model import Finding, RecordRef, Severity
from crm_steward.report.digest import Titles
from crm_steward.report.pages import environment
from crm_steward.report.render import title
from crm_steward.report.sayings import left_out, say
from crm_steward.report.words import Words, plain

_SAMPLES, _BROKEN, _MEMBERS, _VALUE = 50, 200, 6, 80
_LINE = re.compile(r"^line (\d+)$")
"""What a row without an id is called."""


@dataclass(slots=True)
class RuleTally:
    """What one rule found: how much, how grave, and the first of it, which the page shows."""

    count: int = 0
    severity: Severity = Severity.LOW
    samples: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """Findings, counted as they pass by: a large file has more than memory should hold.

    Args:
        by_rule: Rule id → what it found; rules that found nothing are not here.
        records: Every record that has a finding.
    """

    by_rule: dict[str, RuleTally] = field(default_factory=dict)
    records: set[RecordRef] = field(default_factory=set)

    def counting(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Pass `findings` on, and count each."""
        for finding in findings:
            rule = self.by_rule.setdefault(finding.rule, RuleTally())
            rule.count += 1
            rule.severity = max(rule.severity, finding.severity)
            if len(rule.samples) < _SAMPLES:
                rule.samples.append(finding)
            self.records.update(finding.refs)
            yield finding

    @property
    def total(self) -> int:
        """How many findings there are."""
        return sum(rule.count for rule in self.by_rule.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """What an audit of one file found.

    Args:
        file: The file's name, without its folder.
        rows: Rows read as contacts.
        broken: (line, reason) of rows that could not be read.
        mapping: (column, field, how it was recognised: exact, synonym, user, taken).
        unmapped: Columns that were not used.
        tally: What the rules found.
        left_out: (reason, contacts) that a check could not examine.
        titles: Rule id → language → title.
        generated_at: When.
    """

    file: str
    rows: int
    broken: Sequence[tuple[int, str]] = ()
    mapping: Sequence[tuple[str, str, str]] = ()
    unmapped: Sequence[str] = ()
    tally: Tally = field(default_factory=Tally)
    left_out: Sequence[tuple[str, int]] = ()
    titles: Mapping[str, Titles] = field(default_factory=dict)
    generated_at: datetime


@dataclass(frozen=True, slots=True)
class _RuleBlock:
    """One rule on the page; `anchor` names it in links."""

    anchor: str
    title: str
    severity: Severity
    count: int
    samples: Sequence[tuple[str, str, str, str]]
    """(records, what was found, value now, value proposed)."""


def render_audit(result: AuditResult, language: str) -> str:
    """Return the page: one HTML document that needs nothing else.

    Args:
        result: What the audit found.
        language: `en` or `fr`.
    """
    words = Words(language, result.generated_at.tzinfo or UTC)
    clean = max(0, result.rows - len(result.tally.records))
    blocks = _blocks(result, words)
    return (
        environment()
        .get_template("audit.html")
        .render(
            {
                "t": words,
                "a": result,
                "clean": clean,
                "share": clean / result.rows if result.rows else None,
                "blocks": blocks,
                "most": max((block.count for block in blocks), default=0),
                "broken": result.broken[:_BROKEN],
                "left_out": [(left_out(reason, words), n) for reason, n in result.left_out],
                "columns": _columns(result, words),
                "unmapped": words.listed([plain(name, 60) for name in result.unmapped[:40]]),
                "sentence": lambda text: text[:1].upper() + text[1:],
            }
        )
    )


def _blocks(result: AuditResult, words: Words) -> list[_RuleBlock]:
    ranked = sorted(
        result.tally.by_rule.items(),
        key=lambda item: (-item[1].severity, -item[1].count, item[0]),
    )
    return [
        _RuleBlock(
            anchor=f"rule-{number}",
            title=title(result.titles.get(rule, {"en": rule}), words),
            severity=found.severity,
            count=found.count,
            samples=[_sample(finding, words) for finding in found.samples],
        )
        for number, (rule, found) in enumerate(ranked, start=1)
    ]


def _sample(finding: Finding, words: Words) -> tuple[str, str, str, str]:
    line = words("audit.line").lower()
    ids = (plain(ref.id, _VALUE) for ref in finding.refs[:_MEMBERS])
    names = [_LINE.sub(rf"{line} \1", name) for name in ids]
    records = ", ".join(names)
    if len(finding.refs) > _MEMBERS:
        records += f" {words('members.more', n=len(finding.refs) - _MEMBERS)}"
    evidence = finding.evidence
    said = say(finding.kind, evidence, words, len(finding.refs))
    return records, said, _value(evidence.get("now")), _value(evidence.get("proposed"))


def _value(value: Any) -> str:
    return "" if value is None else plain(str(value), _VALUE)


def _columns(result: AuditResult, words: Words) -> list[tuple[str, str, str]]:
    return [
        (plain(column, 60), _target(name, words), words.known("how", how, "exact"))
        for column, name, how in result.mapping
    ]


def _target(name: str, words: Words) -> str:
    """Return what a column was understood as: a field, or a part of a consent."""
    return words.find(f"target.{name}") or words.field(name)
