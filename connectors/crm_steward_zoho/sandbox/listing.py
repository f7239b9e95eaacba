"""Contacts read: the list with its two ways of paging, one record, the deleted ones."""

from __future__ import annotations

import base64
import hashlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from crm_steward.sandbox import Request, Response, Routes
from crm_steward_zoho.sandbox import answers
from crm_steward_zoho.sandbox.account import Row, ZohoAccount
from crm_steward_zoho.sandbox.values import read_time, stamp

routes = Routes()
READ = ("ZohoCRM.modules.contacts.READ",)
PATH = "/crm/v8/Contacts"
_MOST_FIELDS = 50
_MOST_IDS = 100
_PAGE = 200
_TOKEN_LIFE = 86_400
_SORTS = {"id": "id", "Created_Time": "created", "Modified_Time": "modified"}
_SYSTEM = ("$in_merge", "$locked_for_me")


@routes.add(
    "GET",
    PATH,
    query=("fields", "ids", "page", "per_page", "page_token", "sort_by", "sort_order"),
    scopes=READ,
    quota="call",
)
def list_contacts(crm: ZohoAccount, request: Request) -> Response:
    """Page through active records; no rows is 204, none since `If-Modified-Since` is 304."""
    names = asked(crm, request)
    since = request.headers.get("if-modified-since")
    rows = _changed(_chosen(crm, request), since)
    start, page = _start(crm, request, rows)
    size = whole(request, "per_page", default=_PAGE, most=_PAGE)
    found = rows[start : start + size]
    if not found:
        return Response(304 if since else 204)
    more = start + size < len(rows)
    info = {
        "per_page": size,
        "count": len(found),
        "page": page,
        "sort_by": request.one("sort_by", "id"),
        "sort_order": request.one("sort_order", "desc"),
        "more_records": more,
        **_tokens(crm, request, found[-1], start + len(found), more=more),
    }
    return Response(200, {"data": [crm.render(row, names) for row in found], "info": info})


@routes.add("GET", f"{PATH}/actions/count", scopes=READ, quota="call")
def count(crm: ZohoAccount, _: Request) -> Response:
    """Count the active records."""
    return Response(200, {"count": len(crm.active())})


@routes.add(
    "GET", f"{PATH}/deleted", query=("type", "page", "per_page"), scopes=READ, quota="deleted"
)
def deleted(crm: ZohoAccount, request: Request) -> Response:
    """Page through deleted records, newest first; merged-away children are among them."""
    kind = request.one("type", "all")
    if kind not in {"all", "recycle", "permanent"}:
        answers.invalid(param_name="type")
    since = _moment(request.headers.get("if-modified-since"))
    rows = [row for row in crm.tables["contacts"].values() if row["deleted"]]
    rows = [
        row
        for row in rows
        if kind in {"all", row["deleted"]["type"]} and row["deleted"]["at"] >= since
    ]
    rows.sort(key=lambda row: (-row["deleted"]["at"], row["id"]))
    size = whole(request, "per_page", default=_PAGE, most=_PAGE)
    page = whole(request, "page", default=1, most=10**9)
    found = rows[(page - 1) * size : page * size]
    if not found:
        return Response(204)
    info = {
        "per_page": size, "count": len(found), "page": page, "more_records": page * size < len(rows),
    }  # fmt: skip
    return Response(200, {"data": [_tombstone(crm, row) for row in found], "info": info})


@routes.add("GET", f"{PATH}/{{record_id}}", query=("fields",), scopes=READ, quota="call")
def one_contact(crm: ZohoAccount, request: Request, record_id: str) -> Response:
    """Read one record; without `fields` with all of them, the system's own included."""
    row = crm.find(record_id)
    if row is None:
        return Response(204)
    names = asked(crm, request) if request.one("fields") else [*list(crm.fields)[1:], *_SYSTEM]
    return Response(200, {"data": [crm.render(row, names)]})


def asked(crm: ZohoAccount, request: Request) -> list[str]:
    """Return the fields asked for.

    Raises:
        Refusal: 400 when there are none, too many, or unknown ones.
    """
    names = [name for name in request.one("fields").split(",") if name]
    if not names:
        answers.refuse(
            400, "REQUIRED_PARAM_MISSING", "One of the expected parameter is missing",
            param_name="fields",
        )  # fmt: skip
    if len(names) > _MOST_FIELDS:
        answers.refuse(
            400, "LIMIT_EXCEEDED", "Cannot request more than 50 fields", limit=_MOST_FIELDS,
            param_name="fields",
        )  # fmt: skip
    strange = [name for name in names if name not in crm.fields]
    if strange:
        answers.invalid("the field given seems to be invalid", param_name="fields")
    return [name for name in names if name != "id"]


def whole(request: Request, name: str, *, default: int, most: int) -> int:
    """Read a whole number from the query.

    Raises:
        Refusal: 400 when it is none, below 1 or above `most`.
    """
    text = request.one(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        answers.invalid(param_name=name, maximum=most)
    return int(text)


def _chosen(crm: ZohoAccount, request: Request) -> list[Row]:
    """Return the records in the order asked for, or those of `ids`."""
    by = _SORTS.get(request.one("sort_by", "id"))
    order = request.one("sort_order", "desc")
    if by is None or order not in {"asc", "desc"}:
        answers.invalid(param_name="sort_by" if by is None else "sort_order")
    if "ids" in request.query:
        wanted = set(request.one("ids").split(","))
        if len(wanted) > _MOST_IDS:
            answers.refuse(
                400, "LIMIT_EXCEEDED", "more ids than allowed", limit=_MOST_IDS, param_name="ids"
            )
        rows = [row for record_id in wanted if (row := crm.find(record_id))]
    else:
        rows = crm.active()
    if by == "id" and order == "asc" and "ids" not in request.query:
        return rows
    rows.sort(key=lambda row: (row[by], row["id"]), reverse=order == "desc")
    return rows


def _changed(rows: list[Row], since: str | None) -> list[Row]:
    if since is None:
        return rows
    moment = _moment(since)
    return [row for row in rows if row["modified"] >= moment]


def _moment(text: str | None) -> int:
    if text is None:
        return 0
    moment = read_time(text)
    if moment is None:
        answers.invalid("invalid value of the header If-Modified-Since")
    return moment


def _start(crm: ZohoAccount, request: Request, rows: Sequence[Row]) -> tuple[int, int]:
    """Return where the page begins, and its number.

    Raises:
        Refusal: As Zoho limits and binds its two ways of paging.
    """
    token = request.one("page_token")
    size = whole(request, "per_page", default=_PAGE, most=_PAGE)
    page = whole(request, "page", default=1, most=10**9)
    if not token:
        if page * size > crm.page_reach:
            answers.refuse(
                400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED",
                "only the first records can be reached by page", limit=crm.page_reach,
            )  # fmt: skip
        return (page - 1) * size, page
    if "page" in request.query:
        answers.refuse(400, "AMBIGUITY_DURING_PROCESSING", "page and page_token are given together")
    held = _read_token(token)
    if held["bound"] != _bound(request):
        answers.refuse(
            400, "TOKEN_BOUND_DATA_MISMATCH", "the token belongs to other parameters",
            param_name="page_token",
        )  # fmt: skip
    if held["expires"] <= crm.seconds():
        answers.refuse(400, "EXPIRED_VALUE", "the token has expired", param_name="page_token")
    if held["seen"] >= crm.token_reach:
        answers.refuse(
            400, "PAGINATION_LIMIT_EXCEEDED", "no more records can be reached by page_token",
            limit=crm.token_reach,
        )  # fmt: skip
    return _behind(request, rows, held["last"]), held["seen"] // size + 1


def _behind(request: Request, rows: Sequence[Row], last: Sequence[Any]) -> int:
    """Return the position behind the last record of the page before, deleted meanwhile or not."""
    by = _SORTS[request.one("sort_by", "id")]
    place = (last[0], last[1])

    def key(row: Row) -> tuple[Any, str]:
        return (row[by], row["id"])

    if request.one("sort_order", "desc") == "asc":
        return bisect_right(rows, place, key=key)
    return len(rows) - bisect_left(rows[::-1], place, key=key)


def _tokens(
    crm: ZohoAccount, request: Request, last: Row, seen: int, *, more: bool
) -> Mapping[str, Any]:
    """Return the marks of the next page: good for a day, bound to user and parameters."""
    if not more:
        return {"next_page_token": None, "previous_page_token": None, "page_token_expiry": None}
    expires = crm.seconds() + _TOKEN_LIFE
    by = _SORTS[request.one("sort_by", "id")]
    held = {
        "bound": _bound(request), "last": [last[by], last["id"]], "seen": seen, "expires": expires,
    }  # fmt: skip
    token = base64.urlsafe_b64encode(json.dumps(held).encode()).decode()
    return {
        "next_page_token": token,
        "previous_page_token": None,
        "page_token_expiry": stamp(expires, crm.zone),
    }


def _read_token(token: str) -> Mapping[str, Any]:
    try:
        held = json.loads(base64.urlsafe_b64decode(token.encode()))
    except ValueError:
        answers.invalid(param_name="page_token")
    if not isinstance(held, dict):
        answers.invalid(param_name="page_token")
    return held


def _bound(request: Request) -> str:
    names = ("fields", "ids", "per_page", "sort_by", "sort_order")
    held = "&".join(f"{name}={request.one(name)}" for name in names)
    since = request.headers.get("if-modified-since", "")
    return hashlib.sha256(f"{held}&{since}".encode()).hexdigest()[:16]


def _tombstone(crm: ZohoAccount, row: Row) -> dict[str, Any]:
    gone = row["deleted"]
    by = {"name": "A person", "id": gone["by"]}
    permanent = gone["type"] == "permanent"
    return {
        "id": row["id"],
        "display_name": None if permanent else crm.value(row, "Full_Name"),
        "type": gone["type"],
        "deleted_time": stamp(gone["at"], crm.zone),
        "deleted_by": by,
        "created_by": by,
    }
