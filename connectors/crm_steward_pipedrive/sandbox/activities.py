"""Activities and organisations by version 2."""

from __future__ import annotations

from typing import Any

from crm_steward.sandbox import Refusal, Request, Response, Routes
from crm_steward_pipedrive.sandbox import answers, schema
from crm_steward_pipedrive.sandbox.account import PipedriveAccount, Row
from crm_steward_pipedrive.sandbox.listing import listed, wanted_ids, whole
from crm_steward_pipedrive.sandbox.values import is_day, is_whole, iso, seconds

routes = Routes()
_PATH = "/api/v2/activities"
_SORTS = ("id", "update_time", "add_time", "due_date")
_TEXTS = ("subject", "due_time", "note")


@routes.add(
    "GET",
    _PATH,
    query=(
        "limit", "cursor", "sort_by", "sort_direction", "updated_since", "updated_until", "ids",
        "owner_id", "person_id", "done",
    ),
    scopes=("activities:read",),
    quota="10",
)  # fmt: skip
def list_activities(crm: PipedriveAccount, request: Request) -> Response:
    """Page through activities; `person_id` finds those whose primary participant it is."""
    rows = crm.tables["activities"]
    ids = wanted_ids(request)
    if ids is not None:
        candidates = [rows[str(number)] for number in ids if str(number) in rows]
    elif "person_id" in request.query:
        person = whole(request, "person_id")
        candidates = [row for row in crm.activities(person) if _primary(row) == person]
    else:
        candidates = list(rows.values())
    live = [row for row in candidates if row["deleted"] is None and _matches(request, row)]
    page, mark = listed(crm, request, live, sorts=_SORTS)
    return answers.ok([render(row) for row in page], more={"next_cursor": mark})


@routes.add("GET", f"{_PATH}/{{activity_id}}", scopes=("activities:read",), quota="1")
def read_activity(crm: PipedriveAccount, _: Request, activity_id: str) -> Response:
    """Read one activity."""
    row = crm.tables["activities"].get(activity_id)
    if row is None or row["deleted"] is not None:
        answers.not_found("Activity")
    return answers.ok(render(row))


@routes.add(
    "POST",
    _PATH,
    body=(
        "subject", "type", "owner_id", "due_date", "due_time", "note", "participants", "done",
        "person_id",
    ),
    scopes=("activities:full",),
    quota="5",
)  # fmt: skip
def create_activity(crm: PipedriveAccount, request: Request) -> Response:
    """Make an activity; the person it is about is its primary participant."""
    row = _new(crm, request.json)
    if request.meddling and request.meddling.no_op:
        return answers.ok(None, status=201)
    return answers.ok(render(crm.keep_activity(row)), status=201)


@routes.add(
    "PATCH", f"{_PATH}/{{activity_id}}", body=("done",), scopes=("activities:full",), quota="5"
)
def update_activity(crm: PipedriveAccount, request: Request, activity_id: str) -> Response:
    """Tick an activity off, or take that back."""
    row = crm.tables["activities"].get(activity_id)
    if row is None or row["deleted"] is not None:
        answers.not_found("Activity")
    _check(request.json)
    if request.meddling and request.meddling.no_op:
        return answers.ok(None)
    done, now = request.json.get("done", row["done"]), seconds(crm.now())
    moment = (row["marked_as_done_time"] or now) if done else None
    moved = {"done": done, "marked_as_done_time": moment, "update_time": now}
    return answers.ok(render(crm.keep_activity({**row, **moved})))


def render(row: Row) -> dict[str, Any]:
    """Return an activity as version 2 does."""
    times = {name: row[name] for name in ("add_time", "update_time", "marked_as_done_time")}
    return {
        **{key: value for key, value in row.items() if key != "deleted"},
        **{name: iso(moment) if moment else None for name, moment in times.items()},
        "person_id": _primary(row),
        "is_deleted": row["deleted"] is not None,
        "deal_id": None,
        "lead_id": None,
        "project_id": None,
        "duration": None,
        "busy": False,
        "location": None,
        "public_description": None,
        "priority": None,
    }


def _primary(row: Row) -> int | None:
    return next((part["person_id"] for part in row["participants"] if part["primary"]), None)


def _matches(request: Request, row: Row) -> bool:
    if "owner_id" in request.query and row["owner_id"] != whole(request, "owner_id"):
        return False
    return "done" not in request.query or row["done"] == (request.one("done") == "true")


def _new(crm: PipedriveAccount, content: dict[str, Any]) -> Row:
    if "person_id" in content:
        answers.invalid(
            "'person_id' is a read-only field. Add a primary participant to set 'person_id' "
            "instead."
        )
    kind, owner = _kind(crm, content.get("type")), content.get("owner_id", schema.USERS[0]["id"])
    _check(content)
    if not is_whole(owner) or owner not in schema.USER_IDS:
        answers.invalid("'owner_id' must be the id of a user")
    now = seconds(crm.now())
    return {
        "id": crm.next_id("activity"),
        "subject": content.get("subject"),
        "type": kind,
        "owner_id": owner,
        "creator_user_id": schema.USERS[0]["id"],
        "add_time": now,
        "update_time": now,
        "org_id": None,
        "due_date": content.get("due_date"),
        "due_time": content.get("due_time"),
        "done": content.get("done", False),
        "marked_as_done_time": now if content.get("done") else None,
        "participants": _participants(crm, content.get("participants")),
        "note": content.get("note"),
        "deleted": None,
    }


def _kind(crm: PipedriveAccount, kind: Any) -> str:
    if kind is None:
        raise Refusal(crm.unknown("an activity without a type"))
    if not isinstance(kind, str) or not crm.tables["types"].get(kind, {}).get("active_flag"):
        answers.invalid("'type' must be the key of an active activity type")
    return kind


def _check(content: dict[str, Any]) -> None:
    for name in _TEXTS:
        if content.get(name) is not None and not isinstance(content[name], str):
            answers.invalid(f"'{name}' must be a string")
    if content.get("due_date") is not None and not is_day(content["due_date"]):
        answers.invalid("'due_date' must be a date like 2026-12-01")
    if not isinstance(content.get("done", False), bool):
        answers.invalid("'done' must be a boolean")


def _participants(crm: PipedriveAccount, given: Any) -> list[dict[str, Any]]:
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(part, dict) for part in given):
        answers.invalid("'participants' must be a list of objects")
    parts = []
    for part in given:
        person = part.get("person_id")
        row = crm.find(person) if is_whole(person) else None
        if row is None or row["deleted"] is not None:
            answers.invalid("'participants.person_id' must be the id of a person")
        if not isinstance(part.get("primary", False), bool):
            answers.invalid("'participants.primary' must be a boolean")
        parts.append({"person_id": person, "primary": part.get("primary", False)})
    return parts


@routes.add(
    "GET",
    "/api/v2/organizations",
    query=("limit", "cursor", "sort_by", "sort_direction", "ids"),
    scopes=("contacts:read",),
    quota="10",
)
def list_organizations(crm: PipedriveAccount, request: Request) -> Response:
    """Page through organisations."""
    rows = crm.tables["organizations"]
    ids = wanted_ids(request)
    wanted = rows if ids is None else [str(number) for number in ids if str(number) in rows]
    page, mark = listed(crm, request, [rows[key] for key in wanted])
    return answers.ok([_organization(row) for row in page], more={"next_cursor": mark})


@routes.add("GET", "/api/v2/organizations/{org_id}", scopes=("contacts:read",), quota="1")
def read_organization(crm: PipedriveAccount, _: Request, org_id: str) -> Response:
    """Read one organisation."""
    row = crm.tables["organizations"].get(org_id)
    if row is None:
        answers.not_found("Organization")
    return answers.ok(_organization(row))


def _organization(row: Row) -> dict[str, Any]:
    times = {name: iso(row[name]) for name in ("add_time", "update_time")}
    return {"id": row["id"], "name": row["name"], **times, "is_deleted": False}
