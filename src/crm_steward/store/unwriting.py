"""Takes a person out of what was planned and written, so that it still tells what was done."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_steward.model import Plan, RecordRef
from crm_steward.normalize import email_key, phone_e164
from crm_steward.store.chain import outline
from crm_steward.store.database import chunked
from crm_steward.store.erased import Erased
from crm_steward.store.plans import PlanStatus
from crm_steward.store.purging import take_values
from crm_steward.store.subject import Subject, naming, these
from crm_steward.store.tables import approvals, consent_evidence, journal, meta, plans
from crm_steward.store.tombstones import Tombstones, Trace


@dataclass(slots=True)
class Unwriting:
    """One person being taken out, in one transaction."""

    writing: sa.Connection
    subject: Subject
    stones: Tombstones
    now: datetime
    done: Erased
    keys: dict[str, str] = field(default_factory=dict)
    """Key of a change → what stands in its place."""
    names: dict[RecordRef, str] = field(default_factory=dict)
    """Record → what stands in place of its id."""

    def plans(self, marks: Iterable[str]) -> None:
        """Take what concerns the person out of plans; one that can be used gets another name."""
        known = set(marks)
        for row in self.writing.execute(sa.select(plans)).mappings().all():
            changes = row["content"]["changes"]
            gone = [one for one in changes if _concerns(one, self.subject, known)]
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

    def journal(self) -> None:
        """Leave of each line only that something was done, by which rule, when, and how it ended.

        A line about somebody else that names the person loses its values only.
        """
        for row in self._lines():
            if _mine(row, self.subject):
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

    def _lines(self) -> Iterator[sa.Row[Any]]:
        """Yield the lines that are about the person, and those that name them."""
        texts = (sa.type_coerce(journal.c.change, sa.Text), journal.c.reason)
        named = [
            naming(text, {*self.subject.written, *map(str, self.subject.refs)}) for text in texts
        ]
        here = sa.or_(*these(journal, self.subject.refs), *named)
        query = sa.select(journal).where(journal.c.subject_salt.is_not(None), here)
        for row in self.writing.execute(query).all():
            said = f"{json.dumps(row.change, ensure_ascii=False)} {row.reason}"
            if _mine(row, self.subject) or (row.values_salt and self.subject.mentioned(said)):
                yield row

    def _instead(self, connection: str, record: str) -> str:
        """Return what stands in place of a record's id, the same for all its lines."""
        ref = RecordRef(connection, record)
        return self.names.setdefault(ref, f"erased-{secrets.token_hex(6)}")

    def evidence(self) -> None:
        """Keep that a no was heeded: a keyed hash of the address, for the day they ask."""
        found = [
            row
            for here in these(consent_evidence, self.subject.refs)
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


def _concerns(one: Mapping[str, Any], subject: Subject, marks: set[str]) -> bool:
    change = one["change"]
    refs = {RecordRef.parse(ref) for ref in (change["ref"], *change.get("losers", ()))}
    if not refs.isdisjoint(subject.refs) or one["finding"] in marks:
        return True
    return subject.mentioned(json.dumps(one, ensure_ascii=False))


def _mine(row: sa.Row[Any], subject: Subject) -> bool:
    """Whether a line is about one of the person's records, or folds one into another."""
    refs = {RecordRef(row.connection, row.id)}
    change = row.change or {}
    others = (*change.get("losers", ()), *change.get("records", ()))
    refs |= {RecordRef.parse(one) for one in others}
    return not refs.isdisjoint(subject.refs)
