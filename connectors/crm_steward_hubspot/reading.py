"""Reading contacts: everything, what changed, and by id.

A full read lists all contacts by id (complete, no cap, no delay), then the recycle bin. A read of
changes searches by modification date and pages by id: HubSpot's search shows 10,000 results at
most, pages by plain offset, and thousands of contacts may share one timestamp. Archiving moves no
date, so the recycle bin is paged each time. Merging moves the survivor's date, and the survivor
lists whom it absorbed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Literal, get_args

from crm_steward.sdk import Contact, Cursor, Gone, Page, Poison, RecordRef
from crm_steward_hubspot.documents import Document, id_of, next_of, results_of
from crm_steward_hubspot.errors import HubSpotRejectedError
from crm_steward_hubspot.mapping import ContactMap
from crm_steward_hubspot.schema import Schema
from crm_steward_hubspot.wire import Wire

LIST_PAGE = 100
SEARCH_PAGE = 200
BATCH = 100
_BODY_CAP = 2000
"""Characters of property names a request may carry; a search body may have 3,000 in all."""

_MARGIN = timedelta(seconds=1)
"""HubSpot tells its time in whole seconds."""

Phase = Literal["list", "search", "bin", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a read stands.

    Args:
        phase: What is being paged; `done` starts the next read of changes.
        start: When this read began, epoch milliseconds; the next one reads from there.
        since: From when on changes are read, epoch milliseconds; 0 reads everything.
        after: Where the next page begins: an opaque mark of a listing, a record id of a search.
        seen: Contacts a search has brought so far.
        total: Contacts it announced.
    """

    phase: Phase
    start: int
    since: int = 0
    after: str = ""
    seen: int = 0
    total: int = 0

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
        numbers = (place.start, place.since, place.seen, place.total)
        sound = place.phase in get_args(Phase) and isinstance(place.after, str)
        return place if sound and all(isinstance(number, int) for number in numbers) else None


class Reader:
    """Reads the contacts of one account.

    Args:
        wire: The account.
        contacts: How its records are read.
        schema: Its contact properties.
        overlap: How far a read of changes reaches back behind the start of the last one.
    """

    def __init__(
        self,
        wire: Wire,
        contacts: ContactMap,
        schema: Schema,
        overlap: timedelta,
    ) -> None:
        self._wire = wire
        self._map = contacts
        self._schema = schema
        self._overlap = round((overlap + _MARGIN).total_seconds() * 1000)

    @property
    def _short(self) -> bool:
        """Whether all properties fit into one request with the records."""
        return sum(len(name) + 3 for name in self._map.properties) <= _BODY_CAP

    @property
    def _inline(self) -> list[str]:
        return list(self._map.properties) if self._short else ["hs_object_id"]

    def pages(self, since: Cursor | None) -> Iterator[Page]:
        """Bring page after page; see `Connector.read`.

        Raises:
            ConfigError: A property that the settings name does not exist.
        """
        self._schema.insist()
        place = self._start(since)
        while place.phase != "done":
            page, place = self._step(place)
            yield replace(page, cursor=place.cursor(), complete=place.phase == "done")

    def records(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Bring records by id, following merges; an id that leads nowhere is left out.

        Returns:
            The id that was asked for → the record, whose own id differs if it was merged.
        """
        self._schema.learn()
        found: dict[str, dict[str, Any]] = {}
        for batch in chunks(list(dict.fromkeys(ids)), BATCH):
            records = {record["id"]: record for record in self._records(batch)}
            for record_id in batch:
                record = records.get(record_id) or self._survivor(record_id)
                if record:
                    found[record_id] = record
        return found

    def fresh(self, ids: Sequence[str]) -> dict[str, Contact]:
        """Bring contacts by id, as `records` does; those that cannot be read are left out."""
        read = {asked: self._map.contact(record) for asked, record in self.records(ids).items()}
        return {asked: contact for asked, contact in read.items() if isinstance(contact, Contact)}

    # -- where to begin -----------------------------------------------------------------------

    def _start(self, since: Cursor | None) -> Position:
        """Begin by HubSpot's clock, which has just told the time with the schema."""
        now = int(self._wire.now.timestamp() * 1000)
        place = Position.parse(since) if since else None
        if place is None:
            return Position(phase="list", start=now)
        if place.phase != "done":
            return place
        return Position(phase="search", start=now, since=max(place.start - self._overlap, 1))

    # -- one page of each phase ---------------------------------------------------------------

    def _step(self, place: Position) -> tuple[Page, Position]:
        if place.phase == "list":
            return self._list(place)
        return self._search(place) if place.phase == "search" else self._bin(place)

    def _list(self, place: Position) -> tuple[Page, Position]:
        answer = self._wire.call(
            self._wire.contacts.get_page,
            limit=LIST_PAGE,
            after=place.after or None,
            properties=self._inline,
            rows=True,
        )
        after = next_of(answer)
        following = replace(place, after=after) if after else replace(place, phase="bin", after="")
        return self._page(results_of(answer)), following

    def _search(self, place: Position) -> tuple[Page, Position]:
        """Bring the contacts behind the last id; their number shows whether any was missed."""
        answer = self._find(place)
        records = results_of(answer)
        if not records and (offset := next_of(answer)):
            answer = self._find(place, offset=offset)
            records = results_of(answer)
        seen = place.seen + sum(bool(id_of(record)) for record in records)
        total = place.total if place.after else _total(answer)
        last = next((found for item in reversed(records) if (found := id_of(item))), place.after)
        following = replace(place, after=last, seen=seen, total=total)
        if not (records and next_of(answer)) or last == place.after:
            following = self._after_search(following)
        return replace(self._page(records), total=total), following

    def _after_search(self, place: Position) -> Position:
        """Go on to the recycle bin, or list everything when the search fell short.

        Contacts that are edited while we page leave the window and are brought next time; only
        those that still match and were not brought are missing.
        """
        if place.seen < place.total:
            whole = replace(place, after="")
            if place.seen < _total(self._find(whole, limit=1)):
                return replace(place, phase="list", after="")
        return replace(place, phase="bin", after="")

    def _bin(self, place: Position) -> tuple[Page, Position]:
        answer = self._wire.call(
            self._wire.contacts.get_page,
            limit=LIST_PAGE,
            after=place.after or None,
            properties=["hs_object_id"],
            archived=True,
            rows=True,
        )
        gone = [
            Gone(self._map.ref(id_of(record)))
            for record in results_of(answer)
            if id_of(record) and _milliseconds(record.get("archivedAt")) >= place.since
        ]
        after = next_of(answer)
        following = replace(place, after=after, phase="bin" if after else "done")
        return Page(cursor=Cursor(""), gone=gone), following

    # -- requests -----------------------------------------------------------------------------

    def _find(
        self, place: Position, *, offset: str | None = None, limit: int = SEARCH_PAGE
    ) -> Document:
        filters = [
            {"propertyName": "lastmodifieddate", "operator": "GTE", "value": str(place.since)},
            {"propertyName": "lastmodifieddate", "operator": "LTE", "value": str(place.start)},
        ]
        if place.after:
            # The raw id of the last record returned is right whether HubSpot compares ids as
            # numbers or as text.
            last = {"propertyName": "hs_object_id", "operator": "GT", "value": place.after}
            filters.append(last)
        body: dict[str, Any] = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": self._inline,
            "limit": limit,
        }
        if offset:
            body["after"] = offset
        return self._wire.call(self._wire.contact_search.do_search, body, quota="search", rows=True)

    def _records(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Bring records by id in one call; ids that are gone or merged are left out."""
        body = {
            "properties": list(self._map.properties),
            "propertiesWithHistory": [],
            "inputs": [{"id": record_id} for record_id in ids],
        }
        answer = self._wire.call(self._wire.contact_batches.read, body, rows=True)
        return [record for record in results_of(answer) if id_of(record)]

    def holder(self, address: str) -> str:
        """Return the id of the contact that has an e-mail address; empty when there is none."""
        body = {
            "properties": ["hs_object_id"],
            "propertiesWithHistory": [],
            "idProperty": "email",
            "inputs": [{"id": address}],
        }
        answer = self._wire.call(self._wire.contact_batches.read, body, rows=True)
        return next(filter(None, map(id_of, results_of(answer))), "")

    def _survivor(self, record_id: str) -> dict[str, Any] | None:
        """Bring the record an id now leads to; batches do not follow merges, this call does."""
        try:
            answer = self._wire.call(
                self._wire.contacts.get_by_id, record_id, properties=self._inline
            )
        except HubSpotRejectedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        survivor = id_of(answer)
        if not survivor:
            raise self._wire.unreadable  # where the id leads is not known: not "nowhere"
        if self._short:
            return dict(answer)
        return next(iter(self._records([survivor])), None)

    def _page(self, records: Sequence[Any]) -> Page:
        if not self._short:
            ids = [found for record in records if (found := id_of(record))]
            records = [item for batch in chunks(ids, BATCH) for item in self._records(batch)]
        read = [self._map.contact(record) for record in records]
        contacts = [item for item in read if isinstance(item, Contact)]
        poison = [item for item in read if isinstance(item, Poison)]
        readable = (record for record in records if id_of(record))
        gone = [item for record in readable for item in self._map.absorbed(record)]
        return Page(cursor=Cursor(""), contacts=contacts, gone=gone, poison=poison)


def by_own_ref(found: Mapping[str, Contact]) -> dict[RecordRef, Contact]:
    """Return contacts by their own ref, for `Connector.get`."""
    return {contact.ref: contact for contact in found.values()}


def chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Cut a sequence into pieces of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _total(answer: Document) -> int:
    total = answer.get("total")
    return total if isinstance(total, int) else 0


def _milliseconds(value: Any) -> float:
    """Return a time in epoch milliseconds; one that cannot be read counts as just now."""
    try:
        read = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return float("inf")
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000
