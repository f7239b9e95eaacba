"""Persons by version 2: list, read, change, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crm_steward.sandbox import Refusal, Request, Response, Routes
from crm_steward_pipedrive.sandbox import answers, schema
from crm_steward_pipedrive.sandbox.account import PipedriveAccount, Row
from crm_steward_pipedrive.sandbox.changing import changed, first_status
from crm_steward_pipedrive.sandbox.listing import listed, wanted_ids, whole
from crm_steward_pipedrive.sandbox.values import iso

routes = Routes()
READ, WRITE = ("contacts:read",), ("contacts:full",)
_PATH = "/api/v2/persons"
_SHOWN = ("include_fields", "custom_fields", "include_option_labels")
_CUSTOM_MOST = 15
_BODY = (
    "name", "owner_id", "org_id", "add_time", "update_time", "emails", "phones", "visible_to",
    "label_ids", "marketing_status", "custom_fields", *schema.CONTACT_SYNC,
)  # fmt: skip


@routes.add(
    "GET",
    _PATH,
    query=(
        "limit", "cursor", "sort_by", "sort_direction", "updated_since", "updated_until", "ids",
        "owner_id", "org_id", *_SHOWN,
    ),
    scopes=READ,
    quota="10",
)  # fmt: skip
def list_persons(crm: PipedriveAccount, request: Request) -> Response:
    """Page through persons that are not deleted."""
    shown = _shown(crm, request)
    ids = wanted_ids(request)
    rows = crm.tables["persons"]
    candidates = [rows[str(person_id)] for person_id in (crm.ids if ids is None else ids)
                  if str(person_id) in rows]  # fmt: skip
    live = [row for row in candidates if row["deleted"] is None and _matches(request, row)]
    page, mark = listed(crm, request, live)
    return answers.ok([render(crm, row, shown) for row in page], more={"next_cursor": mark})


@routes.add("GET", f"{_PATH}/{{person_id}}", query=_SHOWN, scopes=READ, quota="1")
def read_person(crm: PipedriveAccount, request: Request, person_id: str) -> Response:
    """Read one person; one in the bin says so, one that was merged away or purged is not found."""
    shown = _shown(crm, request)
    return answers.ok(render(crm, _found(crm, person_id), shown))


@routes.add(
    "PATCH",
    f"{_PATH}/{{person_id}}",
    body=_BODY,
    scopes=WRITE,
    quota="5",
)
def update_person(crm: PipedriveAccount, request: Request, person_id: str) -> Response:
    """Change one person; the answer shows all of it."""
    row = _found(crm, person_id)
    if row["deleted"] is not None:
        answers.not_found("Person")
    after = changed(crm, row, request.json)
    if request.meddling and request.meddling.no_op:
        return answers.ok(None)
    kept = crm.keep(after, moved="update_time" not in request.json)
    return answers.ok(render(crm, kept, _everything(crm)))


@routes.add("POST", _PATH, body=_BODY, scopes=WRITE, quota="5")
def create_person(crm: PipedriveAccount, request: Request) -> Response:
    """Make one person; the answer shows all of it. Its creation time is an administrator's to set."""
    content = request.json
    if "add_time" in content or "update_time" in content:
        raise Refusal(crm.unknown("a creation time of one's own"))
    name = content.get("name")
    if not isinstance(name, str) or not name.strip():
        answers.invalid("'name' must be a non-empty string")
    if request.meddling and request.meddling.no_op:
        return answers.ok(None)
    draft = crm.draft(name)
    after = changed(crm, draft, {k: v for k, v in content.items() if k != "marketing_status"})
    if "marketing_status" in content:
        after = {**after, "marketing_status": first_status(crm, after, content["marketing_status"])}
    return answers.ok(render(crm, crm.enter(after), _everything(crm)))


@routes.add("DELETE", f"{_PATH}/{{person_id}}", scopes=WRITE, quota="3")
def delete_person(crm: PipedriveAccount, request: Request, person_id: str) -> Response:
    """Mark one person as deleted; a second time is 410, which says `success` all the same."""
    row = _found(crm, person_id)
    if row["deleted"] is not None:
        return Response(410, {"success": True, "data": {"id": row["id"]}})
    if request.meddling and request.meddling.no_op:
        return answers.ok(None)
    crm.delete(person_id)
    return answers.ok({"id": row["id"]})


def render(crm: PipedriveAccount, row: Row, shown: Callable[[str], bool]) -> dict[str, Any]:
    """Return a person as version 2 does.

    Args:
        crm: The account.
        row: The stored person.
        shown: Whether an optional field, or a custom field's code, is asked for.
    """
    fields = crm.tables["fields"]
    custom = [code for code, field in fields.items() if field["is_custom_field"] and shown(code)]
    person: dict[str, Any] = {
        "id": row["id"],
        "name": row["name"],
        "first_name": row["first_name"],
        "last_name": row["last_name"],
        "owner_id": row["owner_id"],
        "org_id": row["org_id"],
        "add_time": iso(row["add_time"]),
        "update_time": iso(row["update_time"]),
        "emails": row["emails"] or [{"value": "", "primary": True}],
        "phones": row["phones"] or [{"value": "", "primary": True}],
        "is_deleted": row["deleted"] is not None,
        "visible_to": row["visible_to"],
        "label_ids": row["label_ids"],
        "picture_id": None,
        "custom_fields": {code: row["custom"].get(code) for code in custom},
    }
    if crm.contact_sync:
        person |= {name: row["sync"][name] for name in schema.CONTACT_SYNC}
    person |= {name: value for name, value in _optional(crm, row).items() if shown(name)}
    if row["spoiled"]:
        person |= {"emails": "not a list", "custom_fields": ["not", "an object"], "name": {}}
    return person


def _optional(crm: PipedriveAccount, row: Row) -> Mapping[str, Any]:
    activities = crm.activities(row["id"])
    done = [activity for activity in activities if activity["done"]]
    undone = [activity for activity in activities if not activity["done"]]
    last = max(done, key=lambda activity: activity["marked_as_done_time"], default=None)
    following = min(undone, key=lambda activity: activity["due_date"] or "9", default=None)
    values: dict[str, Any] = {
        "next_activity_id": following["id"] if following else None,
        "last_activity_id": last["id"] if last else None,
        "open_deals_count": row["open"],
        "closed_deals_count": row["won"],
        "won_deals_count": row["won"],
        "lost_deals_count": 0,
        "activities_count": len(activities),
        "done_activities_count": len(done),
        "undone_activities_count": len(undone),
        "notes_count": row["notes"],
        "last_incoming_mail_time": iso(row["mail_in"]) if row["mail_in"] else None,
        "last_outgoing_mail_time": iso(row["mail_out"]) if row["mail_out"] else None,
    }
    if crm.campaigns:
        values["marketing_status"] = row["marketing_status"]
    return values


def _everything(crm: PipedriveAccount) -> Callable[[str], bool]:
    """Return what the answer to a change shows: all fields but the optional ones.

    Campaigns' documentation says that the answer holds `marketing_status`.
    """
    return lambda name: (
        name not in schema.OPTIONAL and (crm.campaigns or name not in schema.CAMPAIGNS)
    )


def _shown(crm: PipedriveAccount, request: Request) -> Callable[[str], bool]:
    """Return which optional and custom fields a request asks for.

    Raises:
        Refusal: 400 for a field that is unknown or not to be had, 501 for one that is not built.
    """
    if request.one("include_option_labels", "false") != "false":
        raise Refusal(crm.unknown("include_option_labels"))
    asked = _names(request, "include_fields")
    known = set(schema.OPTIONAL)
    if crm.campaigns or not crm.refuse_marketing:
        known.add("marketing_status")
    for name in sorted(asked - known):
        if name in schema.CAMPAIGNS and not crm.campaigns:
            answers.invalid(f"'{name}' is not available for this company")
        raise Refusal(crm.unknown(f"include_fields={name}"))
    codes = _names(request, "custom_fields")
    if len(codes) > _CUSTOM_MOST:
        answers.invalid(f"At most {_CUSTOM_MOST} custom fields can be requested")
    optional = {*schema.OPTIONAL, *schema.CAMPAIGNS}
    return lambda name: name in asked if name in optional else not codes or name in codes


def _names(request: Request, parameter: str) -> set[str]:
    return {name for name in request.one(parameter).split(",") if name}


def _matches(request: Request, row: Row) -> bool:
    for name in ("owner_id", "org_id"):
        if name in request.query and row[name] != whole(request, name):
            return False
    return True


def _found(crm: PipedriveAccount, person_id: str) -> Row:
    row = crm.find(person_id) if person_id.isdecimal() else None
    if row is None or person_id in crm.tables["merged"]:
        answers.not_found("Person")
    return row
