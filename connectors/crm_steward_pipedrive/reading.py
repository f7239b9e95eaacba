"""Reading contacts: everything, what changed, and by id.

Persons are walked in the order of their ids, which nothing moves: neither edits nor thousands of
equal update times push anybody from one page to another. A page's mark is Pipedrive's own and of
unknown life; it is kept to go on from, and where it is refused the walk begins again and passes
over what was brought (10 tokens for each 500 persons). Version 2 tells nothing of deletions; they
come from version 1's recent changes, as long as it has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Literal, get_args

from crm_steward.sdk import Clock, Contact, Cursor, Gone, Page, Poison, RecordRef
from crm_steward_pipedrive.errors import (
    PipedriveForbiddenError,
    PipedriveRejectedError,
    unreadable,
)
from crm_steward_pipedrive.mapping import ContactMap, id_of
from crm_steward_pipedrive.records import PAGE, Records
from crm_steward_pipedrive.wire import Document, Wire, is_list, rows_of, says_end

RECENTS_COST = 20
Phase = Literal["list", "changes", "recents", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a read stands.

    Args:
        phase: What is being paged; `done` starts the next read of changes.
        start: When this read began by Pipedrive's clock, epoch seconds; the next reads from there.
        since: From when on changes are read, epoch seconds.
        mark: Where the next page begins, in Pipedrive's words.
        last: The highest id brought so far.
        again: That id when the walk last began anew, so that it does not do so for ever.
        offset: Where the next page of recent changes begins.
    """

    phase: Phase
    start: int
    since: int = 0
    mark: str = ""
    last: int = 0
    again: int = -1
    offset: int = 0

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
        numbers = (place.start, place.since, place.last, place.again, place.offset)
        sound = place.phase in get_args(Phase) and isinstance(place.mark, str)
        return place if sound and all(isinstance(number, int) for number in numbers) else None


class Reader:
    """Reads the contacts of one account.

    Args:
        wire: The account.
        records: Reads persons and what they refer to.
        contacts: How its records are read.
        clock: The time.
        overlap: How far a read of changes reaches back behind the start of the last one.
    """

    def __init__(
        self, wire: Wire, records: Records, contacts: ContactMap, clock: Clock, overlap: timedelta
    ) -> None:
        self._wire = wire
        self._records = records
        self._map = contacts
        self._clock = clock
        self._overlap = int(overlap.total_seconds())
        self.merged: dict[str, str] = {}
        """Record → the survivor it was merged into by us: nobody else can tell."""

    def pages(self, since: Cursor | None) -> Iterator[Page]:
        """Bring page after page; see `Connector.read`."""
        began = self._clock()
        place, fresh = self._start(since, began)
        self._records.forget()
        while place.phase != "done":
            page, place = self._step(place)
            if fresh:  # the first answer has told Pipedrive's time
                place, fresh = replace(place, start=_seconds(self._wire.at(began))), False
            yield replace(page, cursor=place.cursor(), complete=place.phase == "done")

    def fresh(self, ids: Sequence[str]) -> dict[str, Contact]:
        """Bring contacts by id; an id that leads nowhere is left out.

        Returns:
            The id that was asked for → the contact, whose own ref differs if we merged it.
        """
        leads = {record_id: self.survivor(record_id) for record_id in ids}
        numbers = {lead: int(lead) for lead in leads.values() if lead.isdecimal()}
        rows = self._records.persons(list(numbers.values()))
        around = self._records.around(list(rows.values()))
        found = {}
        for record_id, lead in leads.items():
            row = rows.get(numbers.get(lead, 0))
            contact = self._map.contact(row, around) if row else None
            if isinstance(contact, Contact):
                found[record_id] = contact
        return found

    def survivor(self, record_id: str) -> str:
        """Return the id under which a record lives on that we merged; its own otherwise."""
        while record_id in self.merged:
            record_id = self.merged[record_id]
        return record_id

    # -- where to begin -----------------------------------------------------------------------

    def _start(self, since: Cursor | None, now: datetime) -> tuple[Position, bool]:
        place = Position.parse(since) if since else None
        if place is None:
            return Position(phase="list", start=_seconds(now)), True
        if place.phase != "done":
            return place, False
        begin = max(place.start - self._overlap, 0)
        return Position(phase="changes", start=_seconds(now), since=begin), True

    # -- one page of each phase ---------------------------------------------------------------

    def _step(self, place: Position) -> tuple[Page, Position]:
        return self._recents(place) if place.phase == "recents" else self._walk(place)

    def _walk(self, place: Position) -> tuple[Page, Position]:
        """Bring the persons behind the last id, in the order of their ids."""
        answer, place = self._listed(place)
        brought = [row for row in rows_of(answer) if (id_of(row) or place.last + 1) > place.last]
        mark = self._wire.mark_behind(answer, place.mark)
        if not mark and len(rows_of(answer)) >= PAGE and not says_end(answer):
            raise unreadable(self._wire.connection)  # a full page that leads nowhere is no end
        last = max((id_of(row) or 0 for row in brought), default=0)
        following = replace(place, mark=mark, last=max(place.last, last))
        if not mark:
            phase: Phase = "recents" if place.phase == "changes" else "done"
            following = replace(following, phase=phase)
        return self._page(brought, everything=place.phase == "list"), following

    def _listed(self, place: Position) -> tuple[Document, Position]:
        """Ask for a page; where its mark is refused, for the first one."""
        try:
            return self._records.page(_query(place)), place
        except PipedriveRejectedError as error:
            stale = place.mark and error.status == HTTPStatus.BAD_REQUEST
            if not stale or place.again == place.last:
                raise
        place = replace(place, mark="", again=place.last)
        return self._records.page(_query(place)), place

    def _recents(self, place: Position) -> tuple[Page, Position]:
        """Bring deletions; where version 1 no longer tells of them, full reads find them."""
        query = {
            "since_timestamp": f"{datetime.fromtimestamp(place.since, UTC):%Y-%m-%d %H:%M:%S}",
            "items": "person",
            "start": str(place.offset),
            "limit": str(PAGE),
        }
        try:
            answer = self._wire.call(
                lambda api: api.v1.recents.get_recent_changes(params=query),
                cost=RECENTS_COST,
                sound=is_list,
            )
        except PipedriveForbiddenError:
            return Page(cursor=Cursor("")), replace(place, phase="done")
        except PipedriveRejectedError as error:
            if not error.gone:
                raise
            return Page(cursor=Cursor("")), replace(place, phase="done")
        ids = [record_id for row in rows_of(answer) if (record_id := _deleted(row))]
        offset = _next_offset(answer)
        more = offset > place.offset
        following = replace(place, offset=offset, phase="recents" if more else "done")
        return Page(cursor=Cursor(""), gone=[self._gone(number) for number in ids]), following

    def _page(self, rows: Sequence[Any], *, everything: bool) -> Page:
        live = [
            row for row in rows if not (isinstance(row, dict) and row.get("is_deleted") is True)
        ]
        around = self._records.around(live, everything=everything)
        read = [self._map.contact(row, around) for row in live]
        removed = [number for row in rows if row not in live and (number := id_of(row))]
        return Page(
            cursor=Cursor(""),
            contacts=[item for item in read if isinstance(item, Contact)],
            poison=[item for item in read if isinstance(item, Poison)],
            gone=[self._gone(number) for number in removed],
        )

    def _gone(self, number: int) -> Gone:
        lead = self.survivor(str(number))
        return Gone(self._map.ref(number), self._map.ref(lead) if lead != str(number) else None)


def by_own_ref(found: Mapping[str, Contact]) -> dict[RecordRef, Contact]:
    """Return contacts by their own ref, for `Connector.get`."""
    return {contact.ref: contact for contact in found.values()}


def _query(place: Position) -> dict[str, str]:
    query = {"limit": str(PAGE), "sort_by": "id", "sort_direction": "asc"}
    if place.phase == "changes":
        # To the second: milliseconds are refused.
        query["updated_since"] = f"{datetime.fromtimestamp(place.since, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {**query, "cursor": place.mark} if place.mark else query


def _deleted(row: Any) -> int | None:
    """Return the id of a person that recent changes show as deleted."""
    data = row.get("data") if isinstance(row, dict) else None
    deleted = isinstance(data, dict) and data.get("active_flag") is False
    return id_of(row) if deleted and row.get("item") == "person" else None


def _next_offset(answer: Document) -> int:
    """Return where the next page of version 1 begins; 0 at the end."""
    more = answer.get("additional_data")
    pages = more.get("pagination") if isinstance(more, dict) else None
    if not isinstance(pages, dict) or pages.get("more_items_in_collection") is not True:
        return 0
    offset = pages.get("next_start")
    return offset if isinstance(offset, int) else 0


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
