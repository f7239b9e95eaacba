"""Erases a person from everything the database holds, and leaves keyed hashes that know them again.

Most of it follows from the schema: rows of any table that names a record by `connection` and `id`,
or a finding by its fingerprint, go; any text that names the person is blackened. What is not that
simple (plans, the journal, evidence, mails) has a way of its own.
"""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from crm_steward.model import BusyError, RecordRef, change_to_json
from crm_steward.store.columns import Json
from crm_steward.store.database import Database, chunked
from crm_steward.store.erased import Erased
from crm_steward.store.journal import Journal, Line, Standing, State
from crm_steward.store.lease import Lease
from crm_steward.store.lines import SET_ASIDE
from crm_steward.store.matchingtables import blocks, indexes, pairs, records
from crm_steward.store.outbox import Delivery
from crm_steward.store.subject import Sought, Subject, find_subject, naming, sharing, these
from crm_steward.store.tables import (
    contacts,
    decisions,
    finding_refs,
    findings,
    meta,
    metadata,
    outbox,
)
from crm_steward.store.tombstones import Tombstones, Trace
from crm_steward.store.unwriting import Unwriting

BLACK: Final = "[erased]"
"""What stands where a text named the person."""

OWN_WAY: Final = frozenset(
    {"approvals", "consent_evidence", "decisions", "findings", "journal", "outbox", "plans"}
)
"""Tables that are not done by the names of their columns alone."""

MADE_ANEW: Final = (indexes, records, blocks, pairs)
"""Tables that the next whole scan makes anew: who is in them is not easily taken out."""

UNTOUCHED: Final[Mapping[str, str]] = {
    "alembic_version": "the number of the schema",
    "leases": "processes",
    "rulebooks": "a copy of your own rule files: they are named, and you edit them",
    "tokens": "sealed access tokens",
    "tombstones": "keyed hashes",
}
"""Tables that erasing leaves as they are, and what they hold."""


class _OnlyLookedError(Exception):
    """Undoes the transaction of a dry run."""


def look(database: Database, sought: Sought, stones: Tombstones, *, now: datetime) -> Erased:
    """Return what erasing would do; nothing is changed.

    Raises:
        StoreError: The database cannot be written, even for a moment.
    """
    done = Erased()
    try:
        with database.write() as writing:
            _Erasure(database, writing, sought, stones, now, done).erase()
            raise _OnlyLookedError  # noqa: TRY301 -- undoes what it did
    except _OnlyLookedError:
        return done


def erase(
    database: Database,
    sought: Sought,
    stones: Tombstones,
    *,
    run: str,
    now: datetime,
    lease: Lease,
    give_up: bool = False,
) -> Erased:
    """Erase a person, all or nothing.

    Args:
        database: The store.
        sought: Who.
        stones: Keeps the hashes by which they are known again.
        run: The run.
        now: When.
        lease: The writer's: nothing is written to a CRM meanwhile.
        give_up: Erase also a change whose answer is still awaited; then nobody ever learns whether
            it took effect.

    Raises:
        BusyError: An answer is still awaited, or the lease was lost; nothing was erased.
        StoreError: The database refuses; nothing was erased.
    """
    done = Erased(run=run)
    ending = _given_up(database, sought, run, now, give_up=give_up)
    if ending:
        Journal(database).append(ending, lease)
    with database.write() as writing:
        lease.check(writing)
        _Erasure(database, writing, sought, stones, now, done).erase()
    done.given_up = len(ending)
    _vacuum(database)
    return done


def _given_up(
    database: Database, sought: Sought, run: str, now: datetime, *, give_up: bool
) -> list[Line]:
    """Return the lines that end what is under way for the person."""
    with database.read() as reading:
        subject = find_subject(reading, sought)
    waiting = [one for one in Journal(database).under_way() if _about(one, subject)]
    if waiting and not give_up:
        raise BusyError(
            f"{len(waiting)} changes to this person still wait for the CRM's answer.",
            hint="Ask for it: crm-steward apply. If it cannot come any more, erase with --give-up.",
        )
    return [
        Line(
            run=run,
            plan=one.intent.plan,
            key=one.intent.key,
            state=State.CONFLICT,
            kind=one.intent.kind,
            ref=one.intent.ref,
            rule=one.intent.rule,
            finding=one.intent.finding,
            reason="the person was erased before the answer came",
            undoes=one.intent.undoes,
            at=now,
            fields=one.intent.fields,
        )
        for one in waiting
    ]


def _about(standing: Standing, subject: Subject) -> bool:
    change = standing.intent.change
    said = json.dumps(change_to_json(change), ensure_ascii=False) if change else ""
    refs = {standing.intent.ref, *getattr(change, "losers", ())}
    return not refs.isdisjoint(subject.refs) or subject.mentioned(said)


@dataclass(slots=True)
class _Erasure:
    """One person being erased, in one transaction."""

    database: Database
    writing: sa.Connection
    sought: Sought
    stones: Tombstones
    now: datetime
    done: Erased

    def erase(self) -> None:
        """Do it all; the order matters: what is found by another table goes first."""
        subject = find_subject(self.writing, self.sought)
        live = (RecordRef(r["connection"], r["id"]) for r in subject.rows if r["gone_at"] is None)
        self.done.refs, self.done.live = tuple(sorted(subject.refs)), tuple(sorted(live))
        self._tombstones(subject)
        marks = self._marks(subject)
        written = Unwriting(self.writing, subject, self.stones, self.now, self.done)
        written.plans(marks)
        written.journal()
        written.evidence()
        self._mails(subject)
        self._decisions(subject)
        self._rows(subject, marks, written.keys)
        self._blacken(subject)
        self.done.mentions = tuple(sorted(self._mentions(subject)))
        self.done.in_rules = self._in_rules(subject)
        self._bump()

    def _tombstones(self, subject: Subject) -> None:
        """Leave hashes of what is the person's alone, and of what they were sought by."""
        sides = (
            (Trace.EMAIL, contacts.c.email_keys, subject.emails, self.sought.emails),
            (Trace.PHONE, contacts.c.phone_keys, subject.phones, self.sought.phones),
        )
        traces = [(Trace.RECORD, str(ref)) for ref in subject.refs]
        for trace, column, keys, named in sides:
            shared = sharing(self.writing, column, keys, subject.refs) - named
            self.done.shared += len(shared)
            traces += [(trace, key) for key in keys - shared]
        self.done.tombstones = self.stones.put(
            self.writing, traces, erasure=self.done.run, now=self.now
        )

    def _marks(self, subject: Subject) -> list[str]:
        """Return the fingerprints of findings about the person, alone or with others."""
        marks: set[str] = set()
        for here in these(finding_refs, subject.refs):
            query = sa.select(finding_refs.c.fingerprint).where(here)
            marks.update(self.writing.execute(query).scalars())
        return sorted(marks)

    def _mails(self, subject: Subject) -> None:
        """Empty the reports that name them; one that waits is written anew without them."""
        names = {*map(str, subject.refs), *(r["url"] for r in subject.rows if r["url"])}
        for row in self.writing.execute(sa.select(outbox)).mappings().all():
            text = _readable(row["message"]) + row["subject"] + row["error"]
            if not (subject.mentioned(text) or any(name in text for name in names)):
                continue
            this = outbox.c.id == row["id"]
            self.done.rows["outbox"] += 1
            if row["status"] == Delivery.QUEUED:
                self.writing.execute(sa.delete(outbox).where(this))
                continue
            over = row["status"] in (Delivery.SENT, Delivery.FAILED)
            status = row["status"] if over else Delivery.FAILED.value
            gone = {"message": "", "subject": "", "error": "", "status": status}
            self.writing.execute(sa.update(outbox).where(this).values(gone))

    def _decisions(self, subject: Subject) -> None:
        for side in ("left", "right"):
            for here in these(decisions, subject.refs, f"{side}_connection", f"{side}_id"):
                self._delete(decisions, here)

    def _rows(self, subject: Subject, marks: list[str], keys: Iterable[str]) -> None:
        """Delete what names one of the records, or a finding about one, by the usual columns."""
        for table in metadata.sorted_tables[::-1]:
            if table.name in OWN_WAY or table.name in UNTOUCHED or table in MADE_ANEW:
                continue
            if {"connection", "id"} <= set(table.c.keys()):
                for here in these(table, subject.refs):
                    self._delete(table, here)
            if "fingerprint" in table.c:
                self._chunks(table, table.c.fingerprint, marks)
            if table.name == "quarantine":
                self._chunks(table, table.c.id, [f"{SET_ASIDE}{key}" for key in keys])
        self._chunks(findings, findings.c.fingerprint, marks)
        for table in MADE_ANEW if subject.refs else ():
            self._delete(table, sa.true())

    def _chunks(self, table: sa.Table, column: sa.Column[Any], values: Iterable[str]) -> None:
        for chunk in chunked(values):
            self._delete(table, column.in_(chunk))

    def _delete(self, table: sa.Table, here: sa.ColumnElement[bool]) -> None:
        gone = self.writing.execute(sa.delete(table).where(here)).rowcount
        if gone:
            self.done.rows[table.name] += gone

    def _blacken(self, subject: Subject) -> None:
        """Take the person out of every other text; a row whose name is theirs goes."""
        left_alone = {"contacts", "journal", "plans", "outbox", *UNTOUCHED}
        for table in metadata.sorted_tables:
            if table.name not in left_alone:
                for column in table.columns:
                    if isinstance(column.type, sa.Text | Json):
                        self._blacken_column(subject, table, column)

    def _blacken_column(self, subject: Subject, table: sa.Table, column: sa.Column[Any]) -> None:
        raw = sa.type_coerce(column, sa.Text)
        names = list(table.primary_key.columns)
        query = sa.select(*names, raw.label("raw")).where(naming(raw, subject.written))
        for row in self.writing.execute(query).all():
            if not subject.mentioned(row.raw):
                continue
            here = sa.and_(*(name == value for name, value in zip(names, row[:-1], strict=True)))
            if column.primary_key:
                self._delete(table, here)
                continue
            blackened = sa.type_coerce(subject.pattern.sub(BLACK, row.raw), sa.Text)
            self.writing.execute(sa.update(table).where(here).values({column: blackened}))
            self.done.rows[table.name] += 1

    def _mentions(self, subject: Subject) -> Iterator[RecordRef]:
        """Yield other people's records that name one of the addresses: a person edits them."""
        addresses = {one for one in subject.written if "@" in one or one.startswith("+")}
        texts = (contacts.c.notes, sa.type_coerce(contacts.c.extra, sa.Text))
        named = sa.or_(*(naming(text, addresses) for text in texts))
        query = sa.select(contacts.c.connection, contacts.c.id, *texts)
        here = query.where(contacts.c.gone_at.is_(None), named)
        for connection, name, notes, extra in self.writing.execute(here):
            if subject.mentioned(f"{notes or ''} {extra}"):
                yield RecordRef(connection, name)

    def _in_rules(self, subject: Subject) -> bool:
        table = metadata.tables["rulebooks"]
        files = self.writing.execute(sa.select(table.c.files)).scalars()
        names = {*map(str, subject.refs)}
        texts = (text for one in files for text in one.values())
        return any(subject.mentioned(t) or any(name in t for name in names) for t in texts)

    def _bump(self) -> None:
        """A plan made from the mirror before is not applied to what it is now."""
        version = sa.select(meta.c.value).where(meta.c.key == "mirror_version")
        held = self.writing.execute(version).scalar()
        if held is not None and self.done.rows["contacts"]:
            this = sa.update(meta).where(meta.c.key == "mirror_version")
            self.writing.execute(this.values(value=str(int(held) + 1)))


def _readable(message: str) -> str:
    """Return what a mail says, in all its parts."""
    parsed = email.message_from_string(message, policy=email.policy.default)
    parts = (part for part in parsed.walk() if part.get_content_maintype() == "text")
    return "\n".join(str(part.get_content()) for part in parts)


def _vacuum(database: Database) -> None:
    """Let PostgreSQL reclaim what the rows took; SQLite overwrites it at once (secure_delete)."""
    if database.dialect != "postgresql":
        return
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in metadata.sorted_tables:
            connection.execute(sa.text(f"VACUUM {table.name}"))
