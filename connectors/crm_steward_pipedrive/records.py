"""Records by id, as cheaply as Pipedrive sells them, and what persons refer to.

One record costs one token, a list of up to a hundred by id costs ten; so up to ten are read one
by one. Persons hold the ids of their organisation and of their last activity, and neither name nor
date.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from crm_steward.sdk import StewardError
from crm_steward_pipedrive.errors import PipedriveForbiddenError, PipedriveRejectedError
from crm_steward_pipedrive.mapping import WANTED, Surroundings, id_of
from crm_steward_pipedrive.values import time_of
from crm_steward_pipedrive.wire import Document, Wire, is_list, is_record, row_of, rows_of

LIST_COST = 10
"""A list of version 2, however long its pages."""
ONE_COST = 1
PAGE = 500
BATCH = 100
CUSTOM_MOST = 15
"""How many custom fields a list can be narrowed to."""
_COMPANIES = 200_000
"""How many organisations' names are kept; beyond, they are read anew."""
_WALK = 4
"""With more by-id calls than this for one page of persons, walking all organisations is cheaper."""


class Records:
    """Reads persons, and what they refer to, by id.

    Args:
        wire: The account.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._names: dict[int, str] = {}
        self._walked = False
        self._campaigns: bool | None = None
        self.codes: tuple[str, ...] = ()
        """The custom fields that persons are to be read with."""

    # -- persons ------------------------------------------------------------------------------

    def persons(self, ids: Sequence[int]) -> dict[int, Document]:
        """Bring persons by id; those that are gone are left out."""
        found = self._by_id(
            ids,
            lambda number: self._asked(lambda: self._person(number)),
            self.page,
        )
        return {key: row for key, row in found.items() if row.get("is_deleted") is not True}

    def page(self, query: Mapping[str, str]) -> Document:
        """Bring one page of a list of persons."""

        def ask() -> Document:
            shown = {**query, **self._shown()}
            return self._wire.call(
                lambda api: api.v2.persons.get_all_persons(params=shown),
                cost=LIST_COST,
                sound=is_list,
            )

        return self._asked(ask)

    def has_campaigns(self) -> bool:
        """Whether persons have a `marketing_status`: whether the company has Campaigns.

        What Pipedrive answers without the add-on is not published: it may refuse the field or
        leave it out.
        """
        if self._campaigns is None:
            self.page({"limit": "1"})
        return self._campaigns is not False

    def _person(self, number: int) -> Document:
        shown = self._shown()
        return self._wire.call(
            lambda api: api.v2.persons.get_person(number, params=shown),
            cost=ONE_COST,
            sound=is_record,
        )

    def _shown(self) -> dict[str, str]:
        names = [*WANTED] if self._campaigns is False else [*WANTED, "marketing_status"]
        shown = {"include_fields": ",".join(names)}
        if 0 < len(self.codes) <= CUSTOM_MOST:
            shown["custom_fields"] = ",".join(self.codes)
        return shown

    def _asked(self, ask: Callable[[], Document]) -> Document:
        """Ask for persons; where `marketing_status` is refused, ask without it from now on."""
        try:
            answer = ask()
        except (PipedriveRejectedError, PipedriveForbiddenError) as error:
            if self._campaigns is not None or getattr(error, "gone", False):
                raise
            answer = self._without_campaigns(ask)
        if self._campaigns is None:
            data = answer.get("data")
            rows = data if isinstance(data, list) else [data]
            shown = ("marketing_status" in row for row in rows if isinstance(row, dict))
            self._campaigns = next(shown, None)
        return answer

    def _without_campaigns(self, ask: Callable[[], Document]) -> Document:
        self._campaigns = False
        try:
            return ask()
        except StewardError:
            self._campaigns = None  # it was something else that was wrong
            raise

    # -- what persons refer to ----------------------------------------------------------------

    def around(self, persons: Sequence[Any], *, everything: bool = False) -> Surroundings:
        """Bring the names of the persons' organisations and the dates of their last activities.

        Args:
            persons: As the API shows them.
            everything: Whether all persons are being read, so that walking all organisations pays.
        """
        companies = _numbers(persons, "org_id")
        missing = [number for number in companies if number not in self._names]
        if everything and not self._walked and len(missing) > _WALK * BATCH:
            self._walk()
            missing = [number for number in companies if number not in self._names]
        found = {**self._companies(missing)}
        names = {n: found.get(n) or self._names.get(n, "") for n in companies}
        return Surroundings(
            companies={number: name for number, name in names.items() if name},
            done=self._done(_numbers(persons, "last_activity_id")),
        )

    def forget(self) -> None:
        """Forget the organisations' names: they may have been changed."""
        self._names.clear()
        self._walked = False

    def _companies(self, ids: Sequence[int]) -> dict[int, str]:
        rows = self._by_id(ids, self._organization, self._organizations)
        found = {number: _name(row) for number, row in rows.items()}
        self._keep(found)
        return found

    def _walk(self) -> None:
        """Read the names of all organisations, five hundred a call."""
        mark = ""
        while len(self._names) < _COMPANIES:
            query = {"limit": str(PAGE), "sort_by": "id", **({"cursor": mark} if mark else {})}
            answer = self._organizations(query)
            self._keep({n: _name(row) for row in rows_of(answer) if (n := id_of(row)) is not None})
            mark = self._wire.mark_behind(answer, mark)
            if not mark:
                break
        self._walked = True

    def _organization(self, number: int) -> Document:
        return self._wire.call(
            lambda api: api.v2.organizations.get_organization(number),
            cost=ONE_COST,
            sound=is_record,
        )

    def _organizations(self, query: Mapping[str, str]) -> Document:
        return self._wire.call(
            lambda api: api.v2.organizations.get_all_organizations(params=query),
            cost=LIST_COST,
            sound=is_list,
        )

    def _keep(self, names: Mapping[int, str]) -> None:
        if len(self._names) + len(names) <= _COMPANIES:
            self._names.update(names)

    def _done(self, ids: Sequence[int]) -> dict[int, datetime]:
        found = {}
        for number, row in self.activities(ids).items():
            when = time_of(row.get("marked_as_done_time")) or time_of(row.get("due_date"))
            if row.get("done") is True and when is not None:
                found[number] = when
        return found

    def activities(self, ids: Sequence[int]) -> dict[int, Document]:
        """Bring activities by id; those that are gone are left out."""
        return self._by_id(ids, self._activity, self._activities)

    def _activity(self, number: int) -> Document:
        return self._wire.call(
            lambda api: api.v2.activities.get_activity(number), cost=ONE_COST, sound=is_record
        )

    def _activities(self, query: Mapping[str, str]) -> Document:
        return self._wire.call(
            lambda api: api.v2.activities.get_all_activities(params=query),
            cost=LIST_COST,
            sound=is_list,
        )

    # -- by id --------------------------------------------------------------------------------

    def _by_id(
        self,
        ids: Sequence[int],
        one: Callable[[int], Document],
        many: Callable[[Mapping[str, str]], Document],
    ) -> dict[int, Document]:
        """Bring records by id, a hundred a call, and what is left over one by one if it is cheaper."""
        wanted = sorted(set(ids))
        rest = len(wanted) % BATCH
        whole = len(wanted) - rest if rest * ONE_COST <= LIST_COST else len(wanted)
        rows: list[Any] = []
        for start in range(0, whole, BATCH):
            batch = wanted[start : min(start + BATCH, whole)]
            rows += rows_of(many({"ids": ",".join(map(str, batch)), "limit": str(BATCH)}))
        for number in wanted[whole:]:
            rows += _one(one, number)
        asked = set(wanted)
        return {key: row for row in rows if (key := id_of(row)) is not None and key in asked}


def _one(one: Callable[[int], Document], number: int) -> list[Document]:
    try:
        return [row_of(one(number))]
    except PipedriveRejectedError as error:
        if error.gone:
            return []
        raise


def _numbers(records: Sequence[Any], name: str) -> list[int]:
    held = (record.get(name) for record in records if isinstance(record, dict))
    found = (number for number in held if isinstance(number, int) and not isinstance(number, bool))
    return list(dict.fromkeys(found))


def _name(row: Any) -> str:
    name = row.get("name") if isinstance(row, dict) else None
    return name if isinstance(name, str) else ""
