"""What all lists of version 2 share: filters by id and time, order, and pages by keyset marks."""

from __future__ import annotations

from typing import Any

from crm_steward.sandbox import Request
from crm_steward_pipedrive.sandbox import answers
from crm_steward_pipedrive.sandbox.account import PipedriveAccount, Row
from crm_steward_pipedrive.sandbox.values import read_iso, read_mark, seconds, write_mark

_MOST = 500
_MOST_IDS = 100
_SORTS = ("id", "update_time", "add_time")


def whole(request: Request, name: str) -> int:
    """Read a whole number from the query.

    Raises:
        Refusal: 400 when it is none.
    """
    text = request.one(name)
    if not text.isdecimal():
        answers.invalid(f"'{name}' must be a number")
    return int(text)


def wanted_ids(request: Request) -> list[int] | None:
    """Read `ids`, in order; None when it is not given.

    Raises:
        Refusal: 400 for more than 100 or anything that is no number.
    """
    if "ids" not in request.query:
        return None
    given = [part for part in request.one("ids").split(",") if part]
    if len(given) > _MOST_IDS or not all(part.isdecimal() for part in given):
        answers.invalid(f"'ids' must be up to {_MOST_IDS} numbers, separated by commas")
    return sorted({int(part) for part in given})


def listed(
    crm: PipedriveAccount, request: Request, rows: list[Row], *, sorts: tuple[str, ...] = _SORTS
) -> tuple[list[Row], str | None]:
    """Return one page of `rows` and the mark of the next, None at the end.

    Raises:
        Refusal: 400 for a limit, an order, a time or a mark that Pipedrive does not take.
    """
    limit = whole(request, "limit") if "limit" in request.query else 100
    if not 1 <= limit <= _MOST:
        answers.invalid(f"'limit' must be between 1 and {_MOST}")
    field, descending = _order(request, sorts)
    rows = [row for row in rows if _in_time(crm, request, row)]
    rows.sort(key=lambda row: _key(row, field), reverse=descending)
    mark = _mark(crm, request, field, descending=descending)
    if mark is not None:
        rows = [row for row in rows if _behind(_key(row, field), mark, descending=descending)]
    page = rows[:limit]
    if len(rows) <= limit:
        return page, None
    value, row_id = _key(page[-1], field)
    content = {
        "field": field,
        "fieldValue": value,
        "sortDirection": "desc" if descending else "asc",
        "id": row_id,
    }
    if crm.mark_life is not None:
        content["at"] = seconds(crm.now())
    return page, write_mark(content)


def _order(request: Request, sorts: tuple[str, ...]) -> tuple[str, bool]:
    field, direction = request.one("sort_by", "id"), request.one("sort_direction", "asc")
    if field not in sorts:
        answers.invalid(f"'sort_by' must be one of {', '.join(sorts)}")
    if direction not in {"asc", "desc"}:
        answers.invalid("'sort_direction' must be asc or desc")
    return field, direction == "desc"


def _key(row: Row, field: str) -> tuple[Any, int]:
    return row[field] or 0, row["id"]


def _behind(key: tuple[Any, int], mark: tuple[Any, int], *, descending: bool) -> bool:
    return key < mark if descending else key > mark


def _mark(
    crm: PipedriveAccount, request: Request, field: str, *, descending: bool
) -> tuple[Any, int] | None:
    if not request.one("cursor"):
        return None
    content = read_mark(request.one("cursor"))
    direction = "desc" if descending else "asc"
    ours = content is not None and (content.get("field"), content.get("sortDirection")) == (
        field,
        direction,
    )
    if content is None or not ours:
        answers.invalid("Invalid cursor")
    if crm.mark_life is not None:
        oldest = seconds(crm.now() - crm.mark_life)
        if content.get("at", 0) < oldest:
            answers.invalid("Invalid cursor")
    return content["fieldValue"], content["id"]


def _in_time(crm: PipedriveAccount, request: Request, row: Row) -> bool:
    """Whether a row was changed in the time asked for, and shows already."""
    since, until = _moment(request, "updated_since"), _moment(request, "updated_until")
    if since is None and until is None:
        return True
    if row.get("shown_at", 0) > seconds(crm.now()):
        return False
    return (since is None or row["update_time"] >= since) and (
        until is None or row["update_time"] < until
    )


def _moment(request: Request, name: str) -> int | None:
    if name not in request.query:
        return None
    moment = read_iso(request.one(name))
    if moment is None:
        answers.invalid(f"'{name}' must be a time like 2025-01-01T10:20:00Z")
    return moment
