"""The lists behind the report as an XLSX workbook: every open finding, and what waits for a decision."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_steward.model import RecordRef, Severity
from crm_steward.report.collect import titles_of
from crm_steward.report.digest import Digest, Titles
from crm_steward.report.findings import Names
from crm_steward.report.groups import Person
from crm_steward.report.render import label, title, undoable
from crm_steward.report.sayings import say
from crm_steward.report.words import Words, plain, safe_link
from crm_steward.rules import RuleBook
from crm_steward.settings import Settings
from crm_steward.store.database import Database, chunked
from crm_steward.store.snoozes import asleep
from crm_steward.store.tables import contacts, finding_refs, findings

MOST = 5_000
"""Findings in a workbook: worst first. A mail must stay small enough for every mail server."""
_WIDTHS = {"rule": 40, "record": 34, "found": 60, "owner": 24, "fingerprint": 14}


def file_name(digest: Digest) -> str:
    """Return what the workbook of a week is called."""
    return f"crm-steward-{digest.week}.xlsx"


def workbook(
    database: Database, settings: Settings, book: RuleBook, digest: Digest, language: str
) -> bytes:
    """Return the workbook that goes with a report.

    Args:
        database: The store.
        settings: Time zone, how records may be named.
        book: The rules, for their titles.
        digest: The report.
        language: The reader's.

    Raises:
        ImportError: openpyxl is missing: settings that want a workbook are refused then.
    """
    from openpyxl import Workbook

    words, made = Words(language, digest.zone), Workbook(write_only=True)
    columns = ("severity", "rule", "connection", "record", "found", "owner", "since", "fingerprint")
    with database.read() as reading:
        names = Names(reading, settings.report.names)
        rows = _findings(reading, digest.until, names, titles_of(book), words)
        _sheet(made, words, "findings", columns, rows)
    _sheet(made, words, "waiting", ("rule", "change", "count", "undo"), _waiting(digest, words))
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def _sheet(
    book: Any, words: Words, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(words(f"workbook.{name}"))
    sheet.freeze_panes = "A2"
    for number, column in enumerate(columns, start=1):
        sheet.column_dimensions[get_column_letter(number)].width = _WIDTHS.get(column, 16)

    def cell(value: Any) -> Any:
        link = safe_link(value.url) if isinstance(value, Person) else None
        made = WriteOnlyCell(sheet, value=label(value) if isinstance(value, Person) else value)
        if isinstance(made.value, str):
            made.data_type = "s"  # never a formula, whatever it begins with
        if link:
            made.hyperlink = link
            made.font = Font(color="0B5394", underline="single")
        return made

    head = [cell(words(f"workbook.{column}")) for column in columns]
    for one in head:
        one.font = Font(bold=True)
    sheet.append(head)
    for row in rows:
        sheet.append([cell(value) for value in row])
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}1"


def _findings(
    reading: sa.Connection,
    now: datetime,
    names: Names,
    titles: Mapping[str, Titles],
    words: Words,
) -> Iterator[Sequence[Any]]:
    """Yield one line per record of each open finding, worst first."""
    f = findings.c
    query = (
        sa.select(f.fingerprint, f.rule, f.kind, f.severity, f.evidence, f.first_seen_at)
        .where(f.state == "open", ~asleep(now))
        .order_by(f.severity.desc(), f.rule, f.fingerprint)
        .limit(MOST)
    )
    for rows in chunked(reading.execute(query).all()):
        members = _members(reading, [row.fingerprint for row in rows])
        people = names.people(ref for refs in members.values() for ref, _ in refs)
        for row in rows:
            refs = members.get(row.fingerprint, [])
            said = plain(say(row.kind, row.evidence, words, len(refs)), 500)
            for ref, owner in refs:
                yield (
                    words(f"severity.{Severity(row.severity).label}"),
                    title(titles.get(row.rule, {"en": row.rule}), words),
                    ref.connection,
                    people[ref],
                    said,
                    plain(names.owner(ref.connection, owner) or owner, 60),
                    row.first_seen_at.astimezone(words.zone).date(),
                    row.fingerprint[:10],
                )


def _members(
    reading: sa.Connection, marks: Sequence[str]
) -> dict[str, list[tuple[RecordRef, str]]]:
    """Return of each finding its records with their owners' ids."""
    refs, c = finding_refs.c, contacts.c
    found: dict[str, list[tuple[RecordRef, str]]] = {}
    query = (
        sa.select(refs.fingerprint, refs.connection, refs.id, c.owner)
        .outerjoin(contacts, (c.connection == refs.connection) & (c.id == refs.id))
        .where(refs.fingerprint.in_(marks))
        .order_by(refs.connection, refs.id)
    )
    for mark, connection, record_id, owner in reading.execute(query):
        found.setdefault(mark, []).append((RecordRef(connection, record_id), owner or ""))
    return found


def _waiting(digest: Digest, words: Words) -> Iterator[Sequence[Any]]:
    """Yield what waits for a decision, as the mail has it, without its limit."""
    for item in digest.decision.waiting if digest.decision else ():
        yield (
            title(item.titles, words),
            words(f"change.{item.kind}", n=item.count),
            item.count,
            words(f"undo.{undoable(item)}"),
        )
