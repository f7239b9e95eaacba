"""Contacts by id, and what belongs to them: survivors of merges, and what was said about channels.

SOQL by id reads the database itself, not a search index.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_steward.sdk import Contact, RetryableError
from crm_steward_salesforce import soql
from crm_steward_salesforce.consents import PURPOSE, SAID_PATHS, Said
from crm_steward_salesforce.errors import SalesforceRejectedError
from crm_steward_salesforce.mapping import SYSTEM, ContactMap
from crm_steward_salesforce.schema import Schema
from crm_steward_salesforce.values import ID, short, text, time
from crm_steward_salesforce.wire import ROWS, Record, Rows, Wire

_TYPE_CONSENT = "ContactPointTypeConsent"
_STATE = ("Id", "IsDeleted", "MasterRecordId")
_LONGEST_CHAIN = 50


@dataclass(frozen=True, slots=True)
class Found:
    """A contact that was read, and what a guarded write of it needs.

    Args:
        contact: It.
        record: As Salesforce sent it.
        modified: Its `LastModifiedDate`.
    """

    contact: Contact
    record: Record
    modified: datetime | None


@dataclass(frozen=True, slots=True)
class State:
    """Whether a record is there, and where it went.

    Args:
        id: Its id.
        deleted: It is in the recycle bin.
        master: The record it was merged into, or empty.
    """

    id: str
    deleted: bool
    master: str


class Records:
    """Brings records of one org.

    Args:
        wire: The org.
        schema: What our user can see.
        contacts: How records are read.
    """

    def __init__(self, wire: Wire, schema: Schema, contacts: ContactMap) -> None:
        self._wire = wire
        self._schema = schema
        self._map = contacts

    def found(self, ids: Sequence[str]) -> dict[str, Found]:
        """Bring contacts by id, following merges; an id that leads nowhere is left out.

        Returns:
            The id that was asked for → the contact, whose own ref differs if it was merged.
        """
        whole = self._whole(ids)
        masters = {
            short(id_of(record)): master
            for record in whole
            if record.get("IsDeleted") is True and (master := text(record.get("MasterRecordId")))
        }
        read = {short(item.contact.ref.id): item for item in self._read(whole)}
        ends = self.survivors(list(dict.fromkeys(masters.values())))
        further = {e.id for e in ends.values() if not e.deleted and short(e.id) not in read}
        more = self._read(self._whole(sorted(further))) if further else ()
        read |= {short(item.contact.ref.id): item for item in more}
        found: dict[str, Found] = {}
        for asked in ids:
            end = ends.get(masters.get(short(asked), ""))
            key = short(end.id if end else asked)
            if key in read:
                found[asked] = read[key]
        return found

    def survivors(self, ids: Sequence[str]) -> dict[str, State]:
        """Follow each id to where its chain of merges ends; unknown ids are left out."""
        known: dict[str, State] = {}
        wanted = {record_id for record_id in ids if ID.fullmatch(record_id)}
        for _ in range(_LONGEST_CHAIN):
            missing = sorted({i for i in wanted if short(i) not in known})
            if not missing:
                break
            states = self.states(missing)
            known |= {short(state.id): state for state in states}
            wanted = {state.master for state in states if state.master}
        return {i: end for i in ids if (end := _end(known, i)) is not None}

    def states(self, ids: Sequence[str]) -> list[State]:
        """Return which records are there; those that were purged, or never were, are left out."""
        paths = [path for path in _STATE if self._schema.has(path)]
        records = self._by_ids(paths, "Contact", "Id", ids)
        return [
            State(
                record_id,
                record.get("IsDeleted") is True,
                text(record.get("MasterRecordId")) or "",
            )
            for record in records
            if (record_id := id_of(record))
        ]

    def of_individuals(self, parties: Sequence[str]) -> list[Record]:
        """Bring the contacts that belong to Individuals."""
        batches = soql.field_batches(self._map.paths(), SYSTEM)
        records = self._by_ids(batches[0], "Contact", "IndividualId", parties)
        return list(self.completed(records, batches[1:]))

    def completed(self, records: Sequence[Any], batches: Sequence[Sequence[str]]) -> Sequence[Any]:
        """Add the fields that did not fit into the first query."""
        whole = list(records)
        for paths in batches:
            ids = [found for record in whole if (found := id_of(record))]
            more = {id_of(row): row for row in self._by_ids(paths, "Contact", "Id", ids)}
            whole = [_joined(record, more.get(id_of(record))) for record in whole]
        return whole

    def said(self, records: Iterable[Any]) -> dict[str, list[Said]]:
        """Return Individual → what it said, for the Individuals of contacts."""
        parties = sorted(
            {
                party
                for record in records
                if isinstance(record, Mapping) and (party := text(record.get("IndividualId")))
            }
        )
        found: dict[str, list[Said]] = {}
        paths = self._said_paths()
        if not parties or not paths:
            return found
        for row in self._by_ids(paths, _TYPE_CONSENT, "PartyId", parties, everything=False):
            party = text(row.get("PartyId")) or ""
            found.setdefault(party, []).append(Said(party, row))
        return found

    def tasks_of(self, contact_ids: Sequence[str]) -> list[Record]:
        """Bring the tasks of contacts, those included that somebody has deleted."""
        return self._by_ids(("Id", "WhoId", "Description"), "Task", "WhoId", contact_ids)

    def tasks(self, task_ids: Sequence[str]) -> list[Record]:
        """Bring tasks by id, those included that somebody has deleted."""
        fields = self._schema.of("Task").fields
        closed = ["IsClosed"] if "IsClosed" in fields else []
        paths = ("Id", "Status", "Description", "IsDeleted", *closed)
        return self._by_ids(paths, "Task", "Id", list(dict.fromkeys(task_ids)))

    def readings(self, records: Sequence[Any]) -> Iterator[Any]:
        """Read records as contacts, with what their Individuals said."""
        said = self.said(records)
        now = self._wire.now
        for record in records:
            party = text(record.get("IndividualId")) if isinstance(record, Mapping) else None
            yield self._map.contact(record, said.get(party or "", ()), now)

    def query(self, text_of_query: str, *, everything: bool = True) -> Rows:
        """Ask for one page.

        Raises:
            RetryableError: A field is gone that was there; the schema is asked anew next time.
        """
        try:
            return self._wire.query(text_of_query, everything=everything)
        except SalesforceRejectedError as error:
            if error.code not in {"INVALID_FIELD", "INVALID_TYPE"}:
                raise
            self._schema.forget()
            message = error.message
        raise RetryableError(message, hint="A field or an object has just vanished from the org.")

    def _whole(self, ids: Sequence[str]) -> list[Record]:
        """Bring contacts by id with all their fields, those in the recycle bin included."""
        batches = soql.field_batches(self._map.paths(), SYSTEM)
        records = self._by_ids(batches[0], "Contact", "Id", ids)
        return [r for r in self.completed(records, batches[1:]) if id_of(r)]

    def _read(self, records: Sequence[Record]) -> Iterator[Found]:
        there = [record for record in records if record.get("IsDeleted") is not True]
        for record, contact in zip(there, self.readings(there), strict=True):
            if isinstance(contact, Contact):
                yield Found(contact, record, time(record.get("LastModifiedDate")))

    def _said_paths(self) -> list[str]:
        item = self._schema.of(_TYPE_CONSENT)
        paths = [path for path in SAID_PATHS if path in item.fields]
        if not {"PartyId", "ContactPointType", "PrivacyConsentStatus"} <= set(paths):
            return []
        purpose = item.fields.get("DataUsePurposeId")
        named = purpose is not None and "Name" in self._schema.of("DataUsePurpose").fields
        return [*paths, PURPOSE] if named else paths

    def _by_ids(
        self,
        paths: Sequence[str],
        source: str,
        reference: str,
        ids: Sequence[str],
        *,
        everything: bool = True,
    ) -> list[Record]:
        """Bring every record whose reference is one of the ids, page by page in the order of ids."""
        found: list[Record] = []
        frame = soql.select(paths, source, f"{reference} IN () AND {soql.after('0' * 18)}")
        usable = [record_id for record_id in ids if ID.fullmatch(record_id)]
        for batch in soql.id_batches(usable, frame):
            last = ""
            while True:
                where = f"{soql.among(reference, batch)} AND {soql.after(last)}"
                rows = self.query(soql.select(paths, source, where), everything=everything)
                found += [record for record in rows.records if isinstance(record, Mapping)]
                last = last_id(rows, last, self._wire.connection)
                if is_last(rows):
                    break
        return found


def is_last(rows: Rows) -> bool:
    """Whether nothing is left behind a page; a page may be cut short where rows are wide."""
    return rows.done and len(rows.records) < ROWS


def last_id(rows: Rows, before: str, connection: str) -> str:
    """Return the id that the next page begins behind.

    Raises:
        RetryableError: There is none, so that the next page would be the same.
    """
    ids = [found for record in rows.records if (found := id_of(record))]
    if not ids and not is_last(rows):
        raise RetryableError(f"{connection}: a page of Salesforce's holds no usable id")
    return ids[-1] if ids else before


def id_of(record: Any) -> str:
    """Return a record's id, or the empty text when it has none."""
    found = record.get("Id") if isinstance(record, Mapping) else None
    return found if isinstance(found, str) and ID.fullmatch(found) else ""


def _end(known: Mapping[str, State], record_id: str) -> State | None:
    """Return where a chain of merges ends; None for an id that leads nowhere."""
    state = known.get(short(record_id))
    seen: set[str] = set()
    while state is not None and state.deleted and state.master and state.id not in seen:
        seen.add(state.id)
        state = known.get(short(state.master))
    return state


def _joined(record: Any, more: Record | None) -> Any:
    """Return a record with further fields; those of one referred record go together."""
    if more is None or not isinstance(record, Mapping):
        return record
    joined = dict(record)
    for name, value in more.items():
        held = joined.get(name)
        both = isinstance(held, Mapping) and isinstance(value, Mapping)
        joined[name] = {**held, **value} if both and held and value else value
    return joined
