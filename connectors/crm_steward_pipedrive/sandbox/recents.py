"""What only version 1 has: recent changes with deletions, and merging."""

from __future__ import annotations

from typing import Any

from crm_steward.sandbox import Refusal, Request, Response, Routes
from crm_steward_pipedrive.sandbox import answers, schema
from crm_steward_pipedrive.sandbox.account import PipedriveAccount, Row
from crm_steward_pipedrive.sandbox.listing import whole
from crm_steward_pipedrive.sandbox.values import is_whole, read_spaced, seconds, spaced

routes = Routes()
_MOST = 500


@routes.add(
    "GET",
    "/v1/recents",
    query=("since_timestamp", "items", "start", "limit"),
    scopes=("recents:read",),
    quota="20",
)
def recents(crm: PipedriveAccount, request: Request) -> Response:
    """Page through what changed since a moment, by offset; deleted persons are not active."""
    if not crm.recents:
        return answers.error(410, "This endpoint is no longer available")
    if request.one("items") != "person":
        raise Refusal(crm.unknown("recents of other items than person"))
    since = read_spaced(request.one("since_timestamp"))
    if since is None:
        answers.refuse(400, "since_timestamp must be YYYY-MM-DD HH:MM:SS")
    start = whole(request, "start") if "start" in request.query else 0
    limit = min(whole(request, "limit") if "limit" in request.query else 100, _MOST)
    now = seconds(crm.now())
    rows = [
        row
        for row in crm.tables["persons"].values()
        if row["update_time"] >= since and row["shown_at"] <= now and not crm.purged(row)
    ]
    rows.sort(key=lambda row: (row["update_time"], row["id"]))
    page = rows[start : start + limit]
    more = len(rows) > start + limit
    pages: dict[str, Any] = {"start": start, "limit": limit, "more_items_in_collection": more}
    if more:
        pages["next_start"] = start + limit
    about = {
        "since_timestamp": request.one("since_timestamp"),
        "last_timestamp_on_page": spaced(page[-1]["update_time"]) if page else None,
        "pagination": pages,
    }
    items = [{"item": "person", "id": row["id"], "data": render(row)} for row in page]
    return answers.ok(items or None, more=about)


@routes.add(
    "PUT",
    "/v1/persons/{person_id}/merge",
    body=("merge_with_id",),
    scopes=("contacts:full",),
    quota="40",
)
def merge_persons(crm: PipedriveAccount, request: Request, person_id: str) -> Response:
    """Let the person in the path disappear into the one in the body, which wins."""
    survivor_id = request.json.get("merge_with_id")
    if not is_whole(survivor_id):
        answers.refuse(400, "merge_with_id must be a number")
    for number in (person_id, str(survivor_id)):
        row = crm.find(number)
        if row is None or row["deleted"] is not None:
            answers.refuse(404, "Person not found")
    if person_id == str(survivor_id):
        answers.refuse(400, "A person cannot be merged with itself")
    if request.meddling and request.meddling.no_op:
        return answers.ok(None)
    merged = crm.merge(int(person_id), survivor_id)
    return answers.ok({**render(merged), "merge_what_id": int(person_id)})


def render(row: Row) -> dict[str, Any]:
    """Return a person as version 1 does: flat, with its own words and times."""
    owner = next((user for user in schema.USERS if user["id"] == row["owner_id"]), None)
    deleted = row["deleted"] is not None
    shown: dict[str, Any] = {
        "id": row["id"],
        "company_id": schema.COMPANY["id"],
        "owner_id": {"id": row["owner_id"], "name": owner["name"] if owner else None},
        "org_id": {"value": row["org_id"]} if row["org_id"] else None,
        "name": row["name"],
        "first_name": row["first_name"],
        "last_name": row["last_name"],
        "active_flag": not deleted,
        "email": row["emails"] or [{"value": "", "primary": True}],
        "phone": row["phones"] or [{"value": "", "primary": True}],
        "add_time": spaced(row["add_time"]),
        "update_time": spaced(row["update_time"]),
        **row["custom"],
    }
    if deleted:
        shown["delete_time"] = spaced(row["deleted"])
    return shown
