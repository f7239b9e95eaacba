"""Standing: what planning needs of the findings that stand, in the order of their records.

Most of what a large base asks for is left out of a plan, so that a row stays as it is stored:
times in microseconds, evidence as text until somebody looks at it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa

from crm_steward.model import Finding, RecordRef
from crm_steward.store.columns import to_micros
from crm_steward.store.database import Database, chunked
from crm_steward.store.findings import Findings, Looked, StoredFinding
from crm_steward.store.tables import finding_refs, findings

PAGE = 2_000
"""How many finding-record pairs are read at a time."""


class Standing(NamedTuple):
    """A finding that stands, as far as its rule's actions rest on it.

    Args:
        fingerprint: Its identity.
        rule: The rule's id.
        refs: Its records, sorted.
        since: When it was first seen, in microseconds.
        seen: When it was last seen, in microseconds.
        openings: How often it was opened.
        evidence: The facts that explain it, as JSON text.
    """

    fingerprint: str
    rule: str
    refs: tuple[RecordRef, ...]
    since: int
    seen: int
    openings: int
    evidence: str

    @property
    def facts(self) -> Mapping[str, Any]:
        """The evidence, read."""
        facts: Mapping[str, Any] = _DECODE(self.evidence)[0]
        return facts

    @classmethod
    def of(cls, finding: Finding, *, since: int, seen: int, openings: int) -> Standing:
        """Return what planning needs of a finding; its history is what the arguments say."""
        evidence = json.dumps(dict(finding.evidence), ensure_ascii=False)
        mark, refs = finding.fingerprint, finding.refs
        return cls(mark, finding.rule, refs, since, seen, openings, evidence)


_DECODE = json.JSONDecoder().raw_decode


def by_record(
    database: Database,
    rules: Collection[str],
    looks: Mapping[str, Mapping[str, Looked]],
    *,
    only: sa.ColumnElement[bool],
) -> Iterator[list[Standing]]:
    """Yield page by page the findings of some rules that stand, those about one record together.

    Those about several records come last. How long a page is says nothing but how much memory it
    takes: no finding is on two pages.

    Args:
        database: The store.
        rules: Findings of these rules.
        looks: How each rule last looked at each connection.
        only: A further condition, such as `~asleep(now)`.
    """
    asked = [findings.c.state == "open", findings.c.rule.in_(rules), only]
    pages = _Pages(database, asked, looks)
    several = pages.about_several()
    for connection, after, upto in pages.bounds():
        yield pages.read(connection, after, upto, several)
    for chunk in chunked(several):
        yield [_whole(stored) for stored in Findings(database).load(chunk)]


def _whole(stored: StoredFinding) -> Standing:
    since, seen = to_micros(stored.first_seen_at), to_micros(stored.last_seen_at)
    return Standing.of(stored.finding, since=since, seen=seen, openings=stored.openings)


@dataclass(frozen=True, slots=True)
class _Pages:
    """Reads findings in the order of their records, a transaction per page.

    Args:
        database: The store.
        asked: Which findings.
        looks: How each rule last looked at each connection.
        moments: Each moment that was read, once: a scan sees all that it finds at one.
    """

    database: Database
    asked: Sequence[sa.ColumnElement[bool]]
    looks: Mapping[str, Mapping[str, Looked]]
    moments: dict[int, int] = field(default_factory=dict)

    def about_several(self) -> dict[str, None]:
        """Return the fingerprints of those that are about several records, in order."""
        grouped = sa.select(finding_refs.c.fingerprint).group_by(finding_refs.c.fingerprint)
        grouped = grouped.having(sa.func.count() > 1)
        mark = findings.c.fingerprint
        query = sa.select(mark).where(mark.in_(grouped), *self.asked).order_by(mark)
        with self.database.read() as reading:
            return dict.fromkeys(reading.execute(query).scalars())

    def bounds(self) -> Iterator[tuple[str, str, str | None]]:
        """Yield pages of records: a connection, after which id, up to which (None: all)."""
        with self.database.read() as reading:
            names = reading.execute(sa.select(finding_refs.c.connection).distinct()).scalars().all()
        for name in sorted(names):
            last: str | None = ""
            while last is not None:
                after = last
                here = (finding_refs.c.connection == name, finding_refs.c.id > after)
                ids = sa.select(finding_refs.c.id).where(*here).order_by(finding_refs.c.id)
                with self.database.read() as reading:
                    last = reading.execute(ids.limit(1).offset(PAGE - 1)).scalar()
                yield name, after, last

    def read(
        self, connection: str, after: str, upto: str | None, several: Collection[str]
    ) -> list[Standing]:
        """Return the findings about one record of a page."""
        here = [finding_refs.c.connection == connection, finding_refs.c.id > after]
        here += [] if upto is None else [finding_refs.c.id <= upto]
        query = sa.select(*_COLUMNS).join(
            findings, findings.c.fingerprint == finding_refs.c.fingerprint
        )
        with self.database.read() as reading:
            rows = reading.execute(query.where(*here, *self.asked)).all()
        whole = {
            rule: to_micros(looks[connection].whole_at)
            for rule, looks in self.looks.items()
            if connection in looks
        }
        refs = {name: (RecordRef(connection, name),) for name in {row[0] for row in rows}}
        once = self.moments.setdefault
        return [
            Standing(
                mark,
                rule,
                refs[name],
                once(since, since),
                max(seen, whole.get(rule, seen)),
                openings,
                evidence,
            )
            for name, mark, rule, since, seen, openings, evidence in rows
            if mark not in several
        ]


_COLUMNS = (
    finding_refs.c.id,
    findings.c.fingerprint,
    findings.c.rule,
    sa.type_coerce(findings.c.first_seen_at, sa.BigInteger),
    sa.type_coerce(findings.c.last_seen_at, sa.BigInteger),
    findings.c.openings,
    sa.type_coerce(findings.c.evidence, sa.Text),
)
