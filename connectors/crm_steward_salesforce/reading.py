"""Reading contacts: everything, and what changed.

A full read goes through all contacts in the order of their ids. A read of changes goes through
what moved, in the order of (SystemModstamp, Id): stamps are whole seconds, and a bulk load puts
thousands on one. Both ask for one page at a time, behind the last record of the page before, so
that no locator of Salesforce's can expire; both look into the recycle bin as they go (`queryAll`).

What people said about channels hangs on the Individual, and moves no contact: a read of changes
therefore goes through changed consents and Individuals too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from crm_steward.sdk import Contact, Cursor, Gone, Page, Poison, RetryableError
from crm_steward_salesforce import soql
from crm_steward_salesforce.mapping import SYSTEM, ContactMap
from crm_steward_salesforce.records import Records, State, id_of, is_last, last_id
from crm_steward_salesforce.schema import Schema
from crm_steward_salesforce.values import ID, text, time
from crm_steward_salesforce.wire import Rows, Wire

Phase = Literal["contacts", "consents", "individuals", "done"]
_NEXT: dict[Phase, Phase] = {
    "contacts": "consents",
    "consents": "individuals",
    "individuals": "done",
    "done": "done",
}
_MOVED: dict[Phase, tuple[str, str]] = {
    "consents": ("ContactPointTypeConsent", "PartyId"),
    "individuals": ("Individual", "Id"),
}
"""Phase → the object that is gone through, and where it names the Individual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a read stands.

    Args:
        phase: What is gone through; `done` starts the next read of changes.
        start: When this read began, by the org's clock; the next one reaches back from there.
        since: From when on changes are read; empty reads everything.
        stamp: The last record's `SystemModstamp`; empty at the beginning of a phase.
        after: The last record's id; empty at the beginning of a phase.
    """

    phase: Phase
    start: str
    since: str = ""
    stamp: str = ""
    after: str = ""

    def cursor(self) -> Cursor:
        """Return it as text."""
        return Cursor(json.dumps(asdict(self), separators=(",", ":")))

    @classmethod
    def parse(cls, cursor: Cursor) -> Position | None:
        """Read it back, or return None when it is not one of ours: then everything is read."""
        try:
            place = cls(**json.loads(cursor))
        except (ValueError, TypeError):
            return None
        texts = (place.start, place.since, place.stamp, place.after)
        if not all(isinstance(part, str) for part in texts) or place.phase not in get_args(Phase):
            return None
        times = [place.start, *filter(None, (place.since, place.stamp))]
        known = not place.after or ID.fullmatch(place.after) is not None
        return place if known and all(map(time, times)) else None


class Reader:
    """Reads the contacts of one org.

    Args:
        wire: The org.
        schema: What our user can see.
        contacts: How its records are read.
        records: Brings records by id.
        overlap: How far a read of changes reaches back behind the start of the last one.
    """

    def __init__(
        self,
        wire: Wire,
        schema: Schema,
        contacts: ContactMap,
        records: Records,
        overlap: timedelta,
    ) -> None:
        self._wire = wire
        self._schema = schema
        self._map = contacts
        self._records = records
        self._overlap = overlap

    def pages(self, since: Cursor | None) -> Iterator[Page]:
        """Bring page after page; see `Connector.read`."""
        self._schema.describe_again()
        self._map.check_configured()
        place = self._start(since)
        while place.phase != "done":
            page, place = self._step(place)
            yield replace(page, cursor=place.cursor(), complete=place.phase == "done")

    def _start(self, since: Cursor | None) -> Position:
        """Begin by the org's clock, which has just told the time with its schema."""
        place = Position.parse(since) if since else None
        if place is not None and place.phase != "done":
            return place
        start = self._wire.now.isoformat()
        if place is None:
            return Position(phase="contacts", start=start)
        reach = _moment(place.start) - self._overlap
        return Position(phase="contacts", start=start, since=reach.isoformat())

    def _step(self, place: Position) -> tuple[Page, Position]:
        if place.phase == "contacts":
            return self._contacts(place) if place.since else self._everything(place)
        return self._moved(place)

    # -- one page of each phase ---------------------------------------------------------------

    def _everything(self, place: Position) -> tuple[Page, Position]:
        batches = soql.field_batches(self._map.paths(), SYSTEM)
        rows = self._records.query(soql.select(batches[0], "Contact", soql.after(place.after)))
        last = last_id(rows, place.after, self._wire.connection)
        page = self._page(self._records.completed(rows.records, batches[1:]))
        # Consents are read with their contacts: there is nothing else to go through.
        return page, replace(place, phase="done" if is_last(rows) else "contacts", after=last)

    def _contacts(self, place: Position) -> tuple[Page, Position]:
        batches = soql.field_batches(self._map.paths(), SYSTEM)
        rows = self._changed(batches[0], "Contact", place)
        following = self._behind(rows, place)
        return self._page(self._records.completed(rows.records, batches[1:])), following

    def _moved(self, place: Position) -> tuple[Page, Position]:
        source, party = _MOVED[place.phase]
        wanted = list(dict.fromkeys(("Id", party, "SystemModstamp")))
        if not set(wanted) <= self._schema.of(source).fields.keys():
            return Page(cursor=Cursor("")), _after(place)
        rows = self._changed(wanted, source, place)
        following = self._behind(rows, place)
        named = [row.get(party) for row in rows.records if id_of(row)]
        parties = list(dict.fromkeys(found for value in named if (found := text(value))))
        reachable = self._schema.has("IndividualId")
        return self._page(self._records.of_individuals(parties) if reachable else []), following

    def _changed(self, paths: Sequence[str], source: str, place: Position) -> Rows:
        where = soql.moved(_moment(place.since), time(place.stamp), place.after)
        order = ("SystemModstamp", "Id")
        return self._records.query(soql.select(paths, source, where, order))

    def _behind(self, rows: Rows, place: Position) -> Position:
        """Return where the next page of changes begins.

        Raises:
            RetryableError: No record of the page tells.
        """
        if is_last(rows):
            return _after(place)
        for record in reversed(rows.records):
            stamp = time(record.get("SystemModstamp")) if id_of(record) else None
            if stamp is not None:
                return replace(place, stamp=stamp.isoformat(), after=id_of(record))
        raise RetryableError(f"{self._wire.connection}: a page of Salesforce's holds no usable id")

    # -- what is on a page --------------------------------------------------------------------

    def _page(self, records: Sequence[Any]) -> Page:
        deleted = [r for r in records if id_of(r) and r.get("IsDeleted") is True]
        there = [r for r in records if not (id_of(r) and r.get("IsDeleted") is True)]
        read = list(self._records.readings(there))
        return Page(
            cursor=Cursor(""),
            contacts=[item for item in read if isinstance(item, Contact)],
            poison=[item for item in read if isinstance(item, Poison)],
            gone=self._gone(deleted),
        )

    def _gone(self, deleted: Sequence[Any]) -> list[Gone]:
        """Say of each where it lives on: in a record that is there, at the end of its chain."""
        merged = [id_of(record) for record in deleted if text(record.get("MasterRecordId"))]
        ends = self._records.survivors(merged) if merged else {}
        return [
            Gone(self._map.ref(record_id), self._survivor(ends.get(record_id)))
            for record_id in map(id_of, deleted)
        ]

    def _survivor(self, end: State | None) -> Any:
        return None if end is None or end.deleted else self._map.ref(end.id)


def _after(place: Position) -> Position:
    return replace(place, phase=_NEXT[place.phase], stamp="", after="")


def _moment(written: str) -> datetime:
    """Read a time of a position, which was looked at when it was parsed."""
    moment = time(written)
    if moment is None:
        raise ValueError("not a time")
    return moment
