"""Reading contacts: everything, what changed, what is gone, and by id.

A full read lists all contacts by id with `page_token`, which reaches 100,000 records and lives a
day; where a token ends, the read goes on by key: COQL brings the next ids, a list by ids their
fields. A read of changes works by key from the start: `Modified_Time` at or after a mark, in the
order of ids, so that any number of records may share one timestamp. The mark is the newest
`Modified_Time` when the last read began: Zoho's clock, not ours. Then comes the list of deleted
records, and a look at those deleted lately, for a restored record may keep its old date.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any, Literal, get_args

from crm_steward.sdk import Contact, Cursor, Gone, Page, Poison
from crm_steward_zoho.errors import ZohoRefusedError, unreadable
from crm_steward_zoho.mapping import MODIFIED, ContactMap
from crm_steward_zoho.schema import SCOPE, Schema
from crm_steward_zoho.values import moment
from crm_steward_zoho.wire import QUERY_ROWS, Answer, Wire, chunks, id_of, is_id

LIST_PAGE = 200
BATCH = 100
COLUMNS = 50
_REMEMBERED = 200
"""Deleted records that are looked at again, in case somebody restored them."""
_DELETED_COST = 2
_ENDED = frozenset({"DISCRETE_PAGINATION_LIMIT_EXCEEDED", "PAGINATION_LIMIT_EXCEEDED"})

Phase = Literal["list", "keys", "deleted", "restored", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a read stands.

    Args:
        phase: What is being paged; `done` starts the next read of changes.
        mark: The newest `Modified_Time` when this read began; the next one reads from there.
        since: From when on changes are read; empty reads everything.
        token: Zoho's mark of the next page of a list.
        after: Id of the last record brought.
        page: Number of the next page of deleted records.
        bin: Records deleted lately, newest last.
    """

    phase: Phase
    mark: str = ""
    since: str = ""
    token: str = ""
    after: str = ""
    page: int = 1
    bin: tuple[str, ...] = ()

    def cursor(self) -> Cursor:
        """Return it as text."""
        return Cursor(json.dumps(asdict(self), separators=(",", ":")))

    @classmethod
    def parse(cls, cursor: Cursor) -> Position | None:
        """Read it back, or return None when it is not one of ours: then everything is read."""
        try:
            held = json.loads(cursor)
            place = cls(**{**held, "bin": tuple(held.get("bin", ()))})
        except (ValueError, TypeError, AttributeError):
            return None
        texts = (place.mark, place.since, place.token, place.after, *place.bin)
        sound = place.phase in get_args(Phase) and all(isinstance(text, str) for text in texts)
        return place if sound and isinstance(place.page, int) else None


Step = tuple[Page, Position]


class Reader:
    """Reads the contacts of one organisation.

    Args:
        wire: The organisation.
        contacts: How its records are read.
        overlap: How far a read of changes reaches back behind its mark.
    """

    def __init__(self, wire: Wire, contacts: ContactMap, overlap: timedelta) -> None:
        self._wire = wire
        self._map = contacts
        self._overlap = overlap
        self._schema: Schema | None = None
        self.merged: dict[str, str] = {}
        """Records that we merged away → the survivor; Zoho itself does not tell."""

    def schema(self, *, anew: bool = False) -> Schema:
        """Return the contact fields, asked for once, or anew."""
        if self._schema is None or anew:
            answer = self._wire.get(
                "/settings/fields", scope=SCOPE, key="fields", module="Contacts"
            )
            schema = Schema.parse(answer.rows("fields"))
            if not schema.fields:
                raise unreadable(self._wire.connection)  # every field would be read as empty
            self._schema = schema
        return self._schema

    def pages(self, since: Cursor | None) -> Iterator[Page]:
        """Bring page after page; see `Connector.read`.

        Raises:
            ConfigError: The settings name a field that does not exist.
        """
        self.schema(anew=True).require(self._map.configured)
        place = self._start(since)
        while place.phase != "done":
            for page, following in self._steps(place):
                place = following
                done = place.phase == "done"
                yield replace(page, cursor=place.cursor(), complete=done)

    def fresh(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Bring records by id, following the merges that we made; what is gone is left out.

        Returns:
            The record's own id → the record as Zoho sends it.
        """
        return self.records(list(dict.fromkeys(map(self.survivor_of, ids))))

    def records(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Bring records by id, as Zoho sends them.

        Raises:
            ConfigError: The settings name a field that does not exist, or no longer.
        """
        known = self.schema()
        known.require(self._map.configured)
        usable = [record_id for record_id in ids if is_id(record_id)]
        try:
            rows = [row for batch in chunks(usable, BATCH) for row in self._by_id(batch)]
        except ZohoRefusedError:
            # An administrator may have removed a field since it was looked up.
            now = self.schema(anew=True)
            if now.fields.keys() == known.fields.keys():
                raise
            now.require(self._map.configured)
            rows = [row for batch in chunks(usable, BATCH) for row in self._by_id(batch)]
        return {id_of(row): row for row in rows if id_of(row)}

    def survivor_of(self, record_id: str) -> str:
        """Follow the merges that we made ourselves."""
        while record_id in self.merged:
            record_id = self.merged[record_id]
        return record_id

    # -- where to begin -----------------------------------------------------------------------

    def _start(self, since: Cursor | None) -> Position:
        place = Position.parse(since) if since else None
        if place is not None and place.phase != "done":
            return place
        mark = self._newest()
        reached = moment(place.mark) if place is not None else None
        if place is None or reached is None:
            return Position(phase="list", mark=mark)
        start = (reached - self._overlap).isoformat(timespec="seconds")
        return Position(phase="keys", mark=mark or place.mark, since=start, bin=place.bin)

    def _newest(self) -> str:
        """Return the latest `Modified_Time` there is; empty where there is no contact."""
        text = f"select id, {MODIFIED} from Contacts where id is not null order by {MODIFIED} desc"
        rows = self._wire.query(text, limit=1).rows()
        newest = rows[0].get(MODIFIED) if rows and isinstance(rows[0], dict) else None
        return newest if isinstance(newest, str) and moment(newest) else ""

    # -- the phases ---------------------------------------------------------------------------

    def _steps(self, place: Position) -> Iterator[Step]:
        """Bring the pages of one phase, each with the position behind it."""
        match place.phase:
            case "list":
                return self._list(place)
            case "keys":
                return self._keys(place)
            case "deleted":
                return self._deleted(place)
            case _:
                return self._restored(place)

    def _list(self, place: Position) -> Iterator[Step]:
        first, *others = self._columns()
        while True:
            try:
                answer = self._listed(first, place)
            except ZohoRefusedError:
                if not place.token:
                    raise
                # Expired, bound to other fields or at its end: the read goes on by key.
                yield Page(cursor=Cursor("")), replace(place, phase="keys", token="")
                return
            if place.token and not answer.rows():
                yield Page(cursor=Cursor("")), replace(place, phase="keys", token="")
                return  # more were announced: COQL has the last word
            rows = self._joined(answer.rows(), others)
            token = answer.info.get("next_page_token")
            last = max((id_of(row) for row in answer.rows()), key=_rank, default="")
            forward = _rank(last) > _rank(place.after)
            place = replace(place, after=last if forward else place.after, token="")
            if not answer.more:
                yield self._page(rows), _next(place, "deleted")
                return
            if not (isinstance(token, str) and token and forward):
                yield self._page(rows), replace(place, phase="keys")
                return
            place = replace(place, token=token)
            yield self._page(rows), place

    def _keys(self, place: Position) -> Iterator[Step]:
        """Bring what lies behind the last id, a hundred records a page."""
        while True:
            answer = self._wire.query(_behind(place), limit=QUERY_ROWS)
            ids = [found for row in answer.rows() if (found := id_of(row))]
            ids = [found for found in ids if _rank(found) > _rank(place.after)]
            if answer.rows() and not ids:
                raise unreadable(self._wire.connection)  # rows that lead nowhere are no end
            for batch in chunks(ids, BATCH):
                place = replace(place, after=batch[-1])
                if answer.more or batch[-1] != ids[-1]:
                    yield self._page(self._by_id(batch)), place
                else:
                    yield self._page(self._by_id(batch)), _next(place, "deleted")
                    return
            if not ids:
                yield Page(cursor=Cursor("")), _next(place, "deleted")
                return

    def _deleted(self, place: Position) -> Iterator[Step]:
        """Bring what was deleted since; merged-away records are among it, without a survivor."""
        since = place.since or self._backed(place.mark)
        while True:
            answer = self._tombstones(place, since) if since else Answer(0, {})
            ids = [found for row in answer.rows() if (found := id_of(row))]
            held = dict.fromkeys((*place.bin, *reversed(ids)))
            place = replace(place, page=place.page + 1, bin=tuple(held)[-_REMEMBERED:])
            gone = [self._gone(record_id) for record_id in ids]
            if not (answer.more and ids):
                yield Page(cursor=Cursor(""), gone=gone), _next(place, "restored")
                return
            yield Page(cursor=Cursor(""), gone=gone), place

    def _restored(self, place: Position) -> Iterator[Step]:
        """Bring what was deleted lately and is there again."""
        rows = [row for batch in chunks(place.bin, BATCH) for row in self._by_id(batch)]
        back = {id_of(row) for row in rows}
        left = tuple(record_id for record_id in place.bin if record_id not in back)
        done = Position(phase="done", mark=place.mark, bin=left)
        yield self._page(rows), done

    # -- requests -----------------------------------------------------------------------------

    def _listed(self, columns: Sequence[str], place: Position) -> Answer:
        page: dict[str, Any] = {"page_token": place.token} if place.token else {}
        return self._wire.get(
            "/Contacts",
            fields=",".join(columns),
            per_page=LIST_PAGE,
            sort_by="id",
            sort_order="asc",
            **page,
        )

    def _tombstones(self, place: Position, since: str) -> Answer:
        """Bring a page of deleted records; where Zoho ends the list, the next full read helps."""
        try:
            return self._wire.get(
                "/Contacts/deleted",
                cost=_DELETED_COST,
                since=since,
                type="all",
                page=place.page,
                per_page=LIST_PAGE,
            )
        except ZohoRefusedError as error:
            if error.code in _ENDED and place.page > 1:
                return Answer(0, {})
            raise

    def _by_id(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Bring up to a hundred records, all their fields."""
        first, *others = self._columns()
        return self._joined(self._some(ids, first), others)

    def _some(self, ids: Sequence[str], columns: Sequence[str]) -> list[Any]:
        if not ids:
            return []
        answer = self._wire.get(
            "/Contacts", fields=",".join(columns), ids=",".join(ids), per_page=LIST_PAGE
        )
        return answer.rows()

    def _joined(self, rows: Sequence[Any], others: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
        """Add the fields that do not fit into one call, matched by id.

        The earlier of two times is kept: a record edited in between is not taken for unchanged.
        """
        found = [dict(row) if isinstance(row, dict) else {} for row in rows]
        by_id = {id_of(row): row for row in found if id_of(row)}
        for columns in others:
            for batch in chunks(list(by_id), BATCH):
                for more in self._some(batch, columns):
                    row = by_id.get(id_of(more))
                    if row is not None:
                        row |= {**more, MODIFIED: _earlier(row.get(MODIFIED), more.get(MODIFIED))}
        return found

    def _columns(self) -> list[Sequence[str]]:
        """Return the fields to ask for, in calls of at most fifty, the date in each."""
        wanted = [name for name in self._map.columns(self.schema().fields) if name != MODIFIED]
        return [[MODIFIED, *part] for part in chunks(wanted, COLUMNS - 1)] or [[MODIFIED]]

    def _page(self, rows: Sequence[Any]) -> Page:
        read = [self._map.contact(row) for row in rows]
        contacts = [item for item in read if isinstance(item, Contact)]
        poison = [item for item in read if isinstance(item, Poison)]
        return Page(cursor=Cursor(""), contacts=contacts, poison=poison)

    def _gone(self, record_id: str) -> Gone:
        survivor = self.survivor_of(record_id)
        known = self._map.ref(survivor) if survivor != record_id else None
        return Gone(self._map.ref(record_id), known)

    def _backed(self, mark: str) -> str:
        """Return the mark less the overlap; empty where there is no mark."""
        reached = moment(mark)
        return (reached - self._overlap).isoformat(timespec="seconds") if reached else ""


def _next(place: Position, phase: Phase) -> Position:
    return replace(place, phase=phase, after="", token="", page=1)


def _behind(place: Position) -> str:
    """Return the query for what lies behind the last id, changed since or not."""
    tests = []
    if place.since:
        tests.append(f"{MODIFIED} >= '{place.since}'")
    if place.after:
        tests.append(f"id > '{place.after}'")
    where = " and ".join(tests) or "id is not null"
    return f"select id from Contacts where ({where}) order by id asc"


def _rank(record_id: str) -> int:
    """Ids are numbers of up to 19 digits, sent as text."""
    return int(record_id) if is_id(record_id) else 0


def _earlier(one: Any, other: Any) -> Any:
    times = [
        (when, time)
        for time in (one, other)
        if isinstance(time, str) and (when := moment(time)) is not None
    ]
    return min(times)[1] if times else one
