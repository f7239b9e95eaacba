"""Erases a person from everything the database holds, and leaves keyed hashes that know them again.

Most of it follows from the schema: rows of any table that names a record by `connection` and `id`,
or a finding by its fingerprint, go; any text that names the person is blackened. What is not that
simple (plans, the journal, evidence, mails) has a way of its own.
"""

from __future__ import annotations

import email
import email.policy
import json
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from crm_steward.model import BusyError, Plan, RecordRef, change_to_json
from crm_steward.normalize import email_key, phone_e164
from crm_steward.store.chain import outline
from crm_steward.store.columns import Json
from crm_steward.store.database import Database, chunked
from crm_steward.store.journal import Journal, Line, Standing, State
from crm_steward.store.lease import Lease
from crm_steward.store.outbox import Delivery
from crm_steward.store.plans import PlanStatus
from crm_steward.store.purging import take_values
from crm_steward.store.subject import Sought, Subject, find_subject, sharing, these
from crm_steward.store.tables import (
    approvals,
    consent_evidence,
    contacts,
    decisions,
    finding_refs,
    findings,
    journal,
    meta,
    metadata,
    outbox,
    plans,
)
from crm_steward.store.tombstones import Tombstones, Trace

BLACK: Final = "[erased]"
"""What stands where a text named the person."""

OWN_WAY: Final = frozenset(
    {"approvals", "consent_evidence", "decisions", "findings", "journal", "outbox", "plans"}
)
"""Tables that are not done by the names of their columns alone."""

UNTOUCHED: Final[Mapping[str, str]] = {
    "alembic_version": "the number of the schema",
    "leases": "processes",
    "rulebooks": "a copy of your own rule files: they are named, and you edit them",
    "tokens": "sealed access tokens",
    "tombstones": "keyed hashes",
}
"""Tables that erasing leaves as they are, and what they hold."""


@dataclass(slots=True, kw_only=True)
class Erased:
    """What was erased, or would be.

    Args:
        run: The run, empty when nothing was done.
        refs: The person's records; in the CRMs they stand where they stood.
        live: Those of them that the CRMs still held when they were last read.
        rows: Table → rows that went or were blackened.
        withdrawn: Changes that waited in a plan and are not made any more.
        approved: Those of them that somebody had approved.
        given_up: Changes whose answer was still awaited.
        tombstones: Keyed hashes that were left.
        shared: Addresses that others hold, too: no tombstone was left for them.
        mentions: Records of others that name one of the person's addresses.
        in_rules: Whether a rule names the person.
    """

    run: str = ""
    refs: tuple[RecordRef, ...] = ()
    live: tuple[RecordRef, ...] = ()
    rows: Counter[str] = field(default_factory=Counter)
    withdrawn: int = 0
    approved: int = 0
    given_up: int = 0
    tombstones: int = 0
    shared: int = 0
    mentions: tuple[RecordRef, ...] = ()
    in_rules: bool = False

    @property
    def anything(self) -> bool:
        """Whether the database held anything of the person."""
        return bool(self.refs or self.rows or self.mentions or self.in_rules)


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
    keys: dict[str, str] = field(default_factory=dict)
    """Key of a change → what stands in its place."""
    names: dict[RecordRef, str] = field(default_factory=dict)
    """Record → what stands in place of its id."""

    def erase(self) -> None:
        """Do it all; the order matters: what is found by another table goes first."""
        subject = find_subject(self.writing, self.sought)
        live = (RecordRef(r["connection"], r["id"]) for r in subject.rows if r["gone_at"] is None)
        self.done.refs, self.done.live = tuple(sorted(subject.refs)), tuple(sorted(live))
        self._tombstones(subject)
        marks = self._marks(subject)
        self._plans(subject, marks)
        self._journal(subject)
        self._evidence(subject)
        self._mails(subject)
        self._decisions(subject)
        self._rows(subject, marks)
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

    def _plans(self, subject: Subject, marks: Iterable[str]) -> None:
        """Take what concerns the person out of plans; one that can be used gets another name."""
        known = set(marks)
        for row in self.writing.execute(sa.select(plans)).mappings().all():
            changes = row["content"]["changes"]
            gone = [one for one in changes if _concerns(one, subject, known)]
            rest = [one for one in changes if one not in gone]
            if not gone:
                continue
            self.done.rows["plans"] += len(gone)
            content = {**row["content"], "changes": rest}
            if row["status"] in (PlanStatus.OPEN, PlanStatus.APPLYING):
                self._withdraw(row, content, [one["key"] for one in gone])
            else:
                this = sa.update(plans).where(plans.c.hash == row["hash"])
                self.writing.execute(this.values(content=content))
            notes = (approvals.c.plan == row["hash"]) & approvals.c.key.in_(
                [g["key"] for g in gone]
            )
            self.writing.execute(sa.update(approvals).where(notes).values(note=""))

    def _withdraw(self, row: Mapping[Any, Any], content: dict[str, Any], keys: list[str]) -> None:
        """Put the rest of a plan in its place: its name is the hash of what it holds."""
        plan = Plan.from_json(content)
        begun = sa.select(journal.c.key).where(journal.c.key.in_(keys))
        waiting = set(keys) - set(self.writing.execute(begun).scalars())
        here = approvals.c.plan == row["hash"]
        agreed = sa.delete(approvals).where(here, approvals.c.key.in_(waiting))
        self.done.approved += self.writing.execute(agreed).rowcount
        self.done.withdrawn += len(waiting)
        moved = {**row, "hash": plan.hash, "content": plan.to_json()}
        self.writing.execute(sa.insert(plans), moved)
        self.writing.execute(sa.update(approvals).where(here).values(plan=plan.hash))
        self.writing.execute(sa.delete(plans).where(plans.c.hash == row["hash"]))
        shown = sa.update(meta).where(meta.c.key == "plan_shown", meta.c.value == row["hash"])
        self.writing.execute(shown.values(value=plan.hash))

    def _journal(self, subject: Subject) -> None:
        """Leave of each line only that something was done, by which rule, when, and how it ended.

        A line about somebody else that names the person loses its values only.
        """
        for row in self._lines(subject):
            if _mine(row, subject):
                self.keys.setdefault(row.key, f"erased-{secrets.token_hex(12)}")
            else:
                change = outline(row.change)
                self.writing.execute(take_values(row.seq, change, self.now))
                self.done.rows["journal"] += 1
        for chunk in chunked(self.keys):
            query = sa.select(journal).where(journal.c.key.in_(chunk))
            for row in self.writing.execute(query).all():
                gone: dict[str, Any] = {
                    "change": None,
                    "reason": "",
                    "values_salt": None,
                    "subject_salt": None,
                    "purged_at": self.now,
                    "id": self._instead(row.connection, row.id),
                    "remote_id": "",
                    "key": self.keys[row.key],
                    "finding": "",
                }
                this = sa.update(journal).where(journal.c.seq == row.seq)
                self.writing.execute(this.values(gone))
                self.done.rows["journal"] += 1
            self._rename_approvals(chunk)

    def _rename_approvals(self, keys: list[str]) -> None:
        """Let approvals go on naming the lines that they belong to."""
        old = sa.select(approvals.c.plan, approvals.c.key).where(approvals.c.key.in_(keys))
        for one in self.writing.execute(old).all():
            this = (approvals.c.plan == one.plan) & (approvals.c.key == one.key)
            new = {"key": self.keys[one.key], "note": ""}
            self.writing.execute(sa.update(approvals).where(this).values(new))

    def _lines(self, subject: Subject) -> Iterator[sa.Row[Any]]:
        """Yield the lines that are about the person, and those that name them."""
        texts = (sa.type_coerce(journal.c.change, sa.Text), journal.c.reason)
        named = [naming(text, {*subject.written, *map(str, subject.refs)}) for text in texts]
        here = sa.or_(*these(journal, subject.refs), *named)
        query = sa.select(journal).where(journal.c.subject_salt.is_not(None), here)
        for row in self.writing.execute(query).all():
            said = f"{json.dumps(row.change, ensure_ascii=False)} {row.reason}"
            if _mine(row, subject) or (row.values_salt and subject.mentioned(said)):
                yield row

    def _instead(self, connection: str, record: str) -> str:
        """Return what stands in place of a record's id, the same for all its lines."""
        ref = RecordRef(connection, record)
        return self.names.setdefault(ref, f"erased-{secrets.token_hex(6)}")

    def _evidence(self, subject: Subject) -> None:
        """Keep that a no was heeded: a keyed hash of the address, for the day they ask."""
        found = [
            row
            for here in these(consent_evidence, subject.refs)
            for row in self.writing.execute(sa.select(consent_evidence).where(here)).mappings()
        ]
        for row in found:
            address = (row["change"] or {}).get("address", "")
            trace = Trace.EMAIL if row["channel"] == "email" else Trace.PHONE
            key = email_key(address) if trace is Trace.EMAIL else phone_e164(address, None)
            known = key or address
            gone = {
                "change": None,
                "salt": None,
                "id": self._instead(row["connection"], row["id"]),
                "address_hash": self.stones.hash(trace, known) if address else row["address_hash"],
            }
            this = sa.update(consent_evidence).where(consent_evidence.c.intent == row["intent"])
            self.writing.execute(this.values(gone))
            self.done.rows["consent_evidence"] += 1

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

    def _rows(self, subject: Subject, marks: list[str]) -> None:
        """Delete what names one of the records, or a finding about one, by the usual columns."""
        for table in metadata.sorted_tables[::-1]:
            if table.name in OWN_WAY or table.name in UNTOUCHED:
                continue
            if {"connection", "id"} <= set(table.c.keys()):
                for here in these(table, subject.refs):
                    self._delete(table, here)
            if "fingerprint" in table.c:
                self._chunks(table, table.c.fingerprint, marks)
            if table.name == "quarantine":
                self._chunks(table, table.c.id, [f"change {key}" for key in self.keys])
        self._chunks(findings, findings.c.fingerprint, marks)

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


def naming(text: sa.ColumnElement[Any], written: Iterable[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a text holds one of `written`, in whatever case of ASCII letters."""
    lowered = sa.func.lower(text)
    spelt = {json.dumps(one, ensure_ascii=False)[1:-1] for one in written} | set(written)
    return sa.or_(
        sa.false(),
        *(lowered.contains(sa.func.lower(one), autoescape=False) for one in sorted(spelt)),
    )


def _concerns(one: Mapping[str, Any], subject: Subject, marks: set[str]) -> bool:
    change = one["change"]
    refs = {RecordRef.parse(ref) for ref in (change["ref"], *change.get("losers", ()))}
    if not refs.isdisjoint(subject.refs) or one["finding"] in marks:
        return True
    return subject.mentioned(json.dumps(one, ensure_ascii=False))


def _mine(row: sa.Row[Any], subject: Subject) -> bool:
    """Whether a line is about one of the person's records, or folds one into another."""
    refs = {RecordRef(row.connection, row.id)}
    refs |= {RecordRef.parse(one) for one in (row.change or {}).get("losers", ())}
    return not refs.isdisjoint(subject.refs)


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
