"""Contacts one by one: list, read, create, update, archive, merge, erase."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, NoReturn

from crm_steward.sandbox import Refusal, Request, Response, Routes
from crm_steward_hubspot.sandbox import answers
from crm_steward_hubspot.sandbox.account import Conflict, HubSpotAccount, Row
from crm_steward_hubspot.sandbox.merging import merge
from crm_steward_hubspot.sandbox.values import checked

routes = Routes()
READ = ("crm.objects.contacts.read",)
WRITE = ("crm.objects.contacts.write",)
_PATH = "/crm/v3/objects/contacts"
_PAGE = 100


def names(request: Request) -> list[str]:
    """Return the properties asked for: the parameter may repeat and hold commas."""
    return [
        name for item in request.query.get("properties", []) for name in item.split(",") if name
    ]


def whole(request: Request, name: str, *, default: int, most: int) -> int:
    """Read a whole number from the query.

    Raises:
        Refusal: 400 when it is none, below 1 or above `most`.
    """
    text = request.one(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        answers.invalid(f"{name} must be a whole number from 1 to {most}, not '{text}'")
    return int(text)


def cursor(request: Request) -> int:
    """Read `after`: the id the last page ended with; 0 at the start.

    Raises:
        Refusal: 400 for anything HubSpot never gave.
    """
    after = request.one("after") or "0"
    if not after.isdecimal():
        answers.invalid(f"after must be what the last page gave, not '{after}'")
    return int(after)


def flag(request: Request, name: str) -> bool:
    """Read `true` or `false` from the query; absent is false."""
    return request.one(name, "false").lower() == "true"


@routes.add("GET", _PATH, query=("limit", "after", "properties", "archived"), scopes=READ)
def list_contacts(crm: HubSpotAccount, request: Request) -> Response:
    """Page through active or archived records in the order of their ids."""
    limit = whole(request, "limit", default=10, most=_PAGE)
    ids = crm.archived if flag(request, "archived") else crm.active
    start = bisect_right(ids, cursor(request))
    page = ids[start : start + limit]
    asked = names(request)
    rows = (crm.tables["contacts"][str(record_id)] for record_id in page)
    body: dict[str, Any] = {
        "results": [crm.render(row, asked) for row in rows if not crm.purged(row)]
    }
    if start + limit < len(ids):
        link = f"https://api.hubapi.com{_PATH}?limit={limit}&after={page[-1]}"
        body["paging"] = {"next": {"after": str(page[-1]), "link": link}}
    return Response(200, body)


@routes.add("POST", _PATH, body=("properties", "associations"), scopes=WRITE)
def create_contact(crm: HubSpotAccount, request: Request) -> Response:
    """Make one record."""
    if request.json.get("associations"):
        raise Refusal(crm.unknown("associations while a contact is created"))
    values = checked(request.json.get("properties", {}), crm.definitions)
    try:
        row = crm.create(values)
    except Conflict as conflict:
        refuse_conflict(conflict)
    return Response(201, crm.render(row, (*values, "email", "firstname", "lastname")))


@routes.add(
    "GET", f"{_PATH}/{{record_id}}", query=("properties", "archived", "idProperty"), scopes=READ
)
def read_contact(crm: HubSpotAccount, request: Request, record_id: str) -> Response:
    """Read one record; the id of a merged one answers with the survivor."""
    row = single(crm, request, record_id)
    if (row["archivedAt"] is not None) != flag(request, "archived"):
        answers.not_found(record_id)
    return Response(200, crm.render(row, names(request)))


@routes.add(
    "PATCH", f"{_PATH}/{{record_id}}", query=("idProperty",), body=("properties",), scopes=WRITE
)
def update_contact(crm: HubSpotAccount, request: Request, record_id: str) -> Response:
    """Set values of one record; the id of a merged one writes to the survivor."""
    values = checked(request.json.get("properties", {}), crm.definitions)
    row = single(crm, request, record_id)
    if row["archivedAt"] is not None:
        answers.not_found(record_id)
    try:
        row = crm.write(row["id"], values)
    except Conflict as conflict:
        refuse_conflict(conflict)
    return Response(200, crm.render(row, (*values, "email", "firstname", "lastname")))


@routes.add("DELETE", f"{_PATH}/{{record_id}}", scopes=WRITE)
def archive_contact(crm: HubSpotAccount, _: Request, record_id: str) -> Response:
    """Move one record to the recycle bin."""
    if record_id in crm.tables["aliases"]:
        raise Refusal(crm.unknown("archiving by the id of a record merged away"))
    crm.archive(record_id)
    return Response(204)


@routes.add("POST", f"{_PATH}/merge", body=("primaryObjectId", "objectIdToMerge"), scopes=WRITE)
def merge_contacts(crm: HubSpotAccount, request: Request) -> Response:
    """Fold one record into another; the answer's id is the only one to trust."""
    primary, other = (
        str(request.json.get(name, "")) for name in ("primaryObjectId", "objectIdToMerge")
    )
    for record_id in (primary, other):
        row = crm.find(record_id)
        if row is None or row["archivedAt"] is not None:
            answers.invalid(
                f"Object with id {record_id} is not a valid contact or is already in the process "
                "of being merged"
            )
    if primary == other:
        answers.invalid(f"Object {primary} cannot be merged with itself")
    return Response(200, crm.render(merge(crm, primary, other), ()))


@routes.add("POST", f"{_PATH}/gdpr-delete", body=("objectId", "idProperty"), scopes=WRITE)
def erase_contact(crm: HubSpotAccount, request: Request) -> Response:
    """Erase one record for good; it never appears among the archived."""
    object_id = str(request.json.get("objectId", ""))
    if request.json.get("idProperty") == "email":
        object_id = crm.holder(object_id) or ""
    elif request.json.get("idProperty"):
        raise Refusal(crm.unknown("gdpr-delete by a property other than email"))
    crm.forget(crm.resolve(object_id))
    return Response(204)


def single(crm: HubSpotAccount, request: Request, record_id: str) -> Row:
    """Return the record a path names, following merges.

    Raises:
        Refusal: 404.
    """
    by = request.one("idProperty")
    if by == "email":
        record_id = crm.holder(record_id) or ""
    elif by:
        raise Refusal(crm.unknown(f"idProperty={by}"))
    row = crm.find(crm.resolve(record_id))
    if row is None or crm.purged(row):
        answers.not_found(record_id)
    return row


def refuse_conflict(conflict: Conflict) -> NoReturn:
    """End the handling with 409 naming the record that holds the address.

    Raises:
        Refusal: Always.
    """
    answers.refuse(409, f"Contact already exists. Existing ID: {conflict.existing}", "CONFLICT")
