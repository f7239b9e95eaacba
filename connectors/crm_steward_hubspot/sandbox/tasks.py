"""Tasks, and their associations with contacts (v3 and v4)."""

from __future__ import annotations

from typing import Any

from crm_steward.sandbox import Refusal, Request, Response, Routes
from crm_steward_hubspot.sandbox import answers
from crm_steward_hubspot.sandbox.account import HubSpotAccount, Row
from crm_steward_hubspot.sandbox.batch import finished, inputs
from crm_steward_hubspot.sandbox.contacts import READ, WRITE, cursor, flag, names, whole
from crm_steward_hubspot.sandbox.schema import TASK, TASK_ALWAYS
from crm_steward_hubspot.sandbox.values import checked, iso, milliseconds

routes = Routes()
_PATH = "/crm/v3/objects/tasks"
_TASK_TO_CONTACT, _CONTACT_TO_TASK = 204, 203
_ASSOCIATION = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": _TASK_TO_CONTACT}
_PAGE, _MOST_IDS = 500, 1_000


@routes.add("POST", _PATH, body=("properties", "associations"), scopes=WRITE)
def create_task(crm: HubSpotAccount, request: Request) -> Response:
    """Make a task; it moves its contacts' last activity and modified dates."""
    values = checked(request.json.get("properties", {}), TASK)
    if not values.get("hs_timestamp"):
        answers.invalid(
            "Error creating TASK. Some required properties were not set.",
            context={"properties": ["hs_timestamp"]},
        )
    named = [_contact(crm, item) for item in request.json.get("associations") or []]
    contacts = list(dict.fromkeys(named))
    now = milliseconds(crm.now())
    task_id = crm.new_id()
    always = {"hs_createdate": iso(now), "hs_lastmodifieddate": iso(now), "hs_object_id": task_id}
    task: Row = {
        "id": task_id,
        "properties": {**{name: value for name, value in values.items() if value}, **always},
        "createdAt": now,
        "updatedAt": now,
        "archivedAt": None,
        "contacts": contacts,
    }
    if request.meddling and request.meddling.no_op:
        return Response(201, _render(task, list(values)))
    crm.tables["tasks"][task_id] = task
    for contact_id in contacts:
        crm.tasks_of.setdefault(contact_id, []).append(task_id)
        crm.write(contact_id, {"notes_last_updated": iso(now)})
    return Response(201, _render(task, list(values)))


@routes.add("GET", _PATH, query=("limit", "after", "properties", "archived"), scopes=READ)
def list_tasks(crm: HubSpotAccount, request: Request) -> Response:
    """Page through tasks in the order of their ids."""
    limit = whole(request, "limit", default=10, most=100)
    after = cursor(request)
    archived = flag(request, "archived")
    rows = [t for t in crm.tables["tasks"].values() if (t["archivedAt"] is not None) == archived]
    rows = sorted((t for t in rows if int(t["id"]) > after), key=lambda task: int(task["id"]))
    body: dict[str, Any] = {"results": [_render(t, names(request)) for t in rows[:limit]]}
    if len(rows) > limit:
        body["paging"] = {"next": {"after": rows[limit - 1]["id"]}}
    return Response(200, body)


@routes.add("GET", f"{_PATH}/{{task_id}}", query=("properties", "archived"), scopes=READ)
def read_task(crm: HubSpotAccount, request: Request, task_id: str) -> Response:
    """Read one task."""
    task = _task(crm, task_id, archived=flag(request, "archived"))
    return Response(200, _render(task, names(request)))


@routes.add("PATCH", f"{_PATH}/{{task_id}}", body=("properties",), scopes=WRITE)
def update_task(crm: HubSpotAccount, request: Request, task_id: str) -> Response:
    """Set values of one task."""
    task = _task(crm, task_id)
    values = checked(request.json.get("properties", {}), TASK)
    now = milliseconds(crm.now())
    properties = {**task["properties"], **values, "hs_lastmodifieddate": iso(now)}
    properties = {name: value for name, value in properties.items() if value != ""}
    if request.meddling and request.meddling.no_op:
        return Response(200, _render(task, list(values)))
    crm.tables["tasks"][task_id] = {**task, "properties": properties, "updatedAt": now}
    return Response(200, _render(crm.tables["tasks"][task_id], list(values)))


@routes.add("DELETE", f"{_PATH}/{{task_id}}", scopes=WRITE)
def archive_task(crm: HubSpotAccount, _: Request, task_id: str) -> Response:
    """Move one task to the bin; its associations go with it."""
    task = crm.tables["tasks"].get(task_id)
    if task is not None and task["archivedAt"] is None:
        crm.tables["tasks"][task_id] = {**task, "archivedAt": milliseconds(crm.now())}
    return Response(204)


@routes.add(
    "POST",
    f"{_PATH}/batch/read",
    query=("archived",),
    body=("properties", "propertiesWithHistory", "inputs"),
    scopes=READ,
)
def read_tasks(crm: HubSpotAccount, request: Request) -> Response:
    """Read tasks by id."""
    if request.json.get("propertiesWithHistory"):
        raise Refusal(crm.unknown("propertiesWithHistory in batch/read"))
    archived = flag(request, "archived")
    results, missing = [], []
    for item in inputs(crm, request, "read"):
        task = crm.tables["tasks"].get(str(item.get("id", "")))
        if task is None or (task["archivedAt"] is not None) != archived:
            missing.append(str(item.get("id", "")))
        else:
            results.append(_render(task, request.json.get("properties") or []))
    error = {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": "Could not get some TASK objects, they may be deleted or not exist. "
        "Check that ids are valid.",
        "context": {"ids": missing},
    }
    return finished(crm, request, results, [error] if missing else [])


@routes.add(
    "GET",
    "/crm/v4/objects/contacts/{contact_id}/associations/tasks",
    query=("limit", "after"),
    scopes=READ,
)
def tasks_of_contact(crm: HubSpotAccount, request: Request, contact_id: str) -> Response:
    """Page through the tasks of a contact."""
    row = crm.find(contact_id)
    if row is None or row["archivedAt"] is not None:
        answers.not_found(contact_id)
    return _page(request, _live_tasks(crm, contact_id), _CONTACT_TO_TASK)


@routes.add(
    "GET",
    "/crm/v4/objects/tasks/{task_id}/associations/contacts",
    query=("limit", "after"),
    scopes=READ,
)
def contacts_of_task(crm: HubSpotAccount, request: Request, task_id: str) -> Response:
    """Page through the contacts of a task."""
    return _page(request, _task(crm, task_id)["contacts"], _TASK_TO_CONTACT)


def associations(crm: HubSpotAccount, request: Request) -> Response:
    """Return the tasks of up to 1,000 contacts, paged; those without any come back as errors.

    The date-based path answers as version 4 does.
    """
    results, errors = [], []
    for item in inputs(crm, request, "associations", most=_MOST_IDS):
        contact_id, after = str(item.get("id", "")), str(item.get("after") or "0")
        tasks = sorted((t for t in _live_tasks(crm, contact_id) if int(t) > int(after)), key=int)
        if not tasks:
            errors.append(_nothing(contact_id))
            continue
        page = tasks[:_PAGE]
        row: dict[str, Any] = {
            "from": {"id": contact_id},
            "to": [_labelled(task_id, _CONTACT_TO_TASK) for task_id in page],
        }
        if len(tasks) > _PAGE:
            row["paging"] = {"next": {"after": page[-1]}}
        results.append(row)
    return finished(crm, request, results, errors)


for _version in ("/crm/v4/associations", "/crm/associations/2026-03"):
    routes.add("POST", f"{_version}/contacts/tasks/batch/read", body=("inputs",), scopes=READ)(
        associations
    )


@routes.add("POST", "/crm/v3/associations/contacts/tasks/batch/read", body=("inputs",), scopes=READ)
def associations_v3(crm: HubSpotAccount, request: Request) -> Response:
    """Return the tasks of contacts; those without any come back as errors."""
    results, errors = [], []
    for contact_id in _asked(crm, request):
        tasks = _live_tasks(crm, contact_id)
        if tasks:
            to = [{"id": task_id, "type": "contact_to_task"} for task_id in tasks]
            results.append({"from": {"id": contact_id}, "to": to})
        else:
            errors.append(_nothing(contact_id))
    return finished(crm, request, results, errors)


def _asked(crm: HubSpotAccount, request: Request) -> list[str]:
    return [str(item.get("id", "")) for item in inputs(crm, request, "read", most=_MOST_IDS)]


def _nothing(contact_id: str) -> dict[str, Any]:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No tasks is associated with contacts {contact_id}.",
        "context": {
            "fromObjectId": [contact_id],
            "fromObjectType": ["contacts"],
            "toObjectType": ["tasks"],
        },
    }


def _live_tasks(crm: HubSpotAccount, contact_id: str) -> list[str]:
    """Return the tasks of a contact; those of a record merged into it may still be on their way."""
    tasks, now = crm.tables["tasks"], milliseconds(crm.now())
    return [
        t
        for t in crm.tasks_of.get(contact_id, [])
        if tasks[t]["archivedAt"] is None and tasks[t].get("arrives", 0) <= now
    ]


def _labelled(to: str, type_id: int) -> dict[str, Any]:
    kind = {"category": "HUBSPOT_DEFINED", "typeId": type_id, "label": None}
    return {"toObjectId": to, "associationTypes": [kind]}


def _page(request: Request, ids: list[str], type_id: int) -> Response:
    limit = whole(request, "limit", default=_PAGE, most=_PAGE)
    after = cursor(request)
    rest = sorted((i for i in ids if int(i) > after), key=int)
    body: dict[str, Any] = {"results": [_labelled(i, type_id) for i in rest[:limit]]}
    if len(rest) > limit:
        body["paging"] = {"next": {"after": rest[limit - 1]}}
    return Response(200, body)


def _contact(crm: HubSpotAccount, item: Any) -> str:
    """Return the id of the contact an association of a new task names.

    Raises:
        Refusal: 400 for a contact that is gone, 501 for any other association.
    """
    if not isinstance(item, dict) or item.get("types") != [_ASSOCIATION]:
        raise Refusal(crm.unknown(f"an association of a task other than {_ASSOCIATION}"))
    contact_id = str((item.get("to") or {}).get("id", ""))
    row = crm.find(contact_id)
    if row is None or row["archivedAt"] is not None:
        answers.invalid(
            f"No contact with ID {contact_id} exists",
            subCategory="crm.associations.INVALID_IDENTIFIER",
            context={"id": [contact_id]},
        )
    return contact_id


def _task(crm: HubSpotAccount, task_id: str, *, archived: bool = False) -> Row:
    task: Row | None = crm.tables["tasks"].get(task_id)
    if task is None or (task["archivedAt"] is not None) != archived:
        answers.not_found(task_id)
    return task


def _render(task: Row, asked: list[str]) -> dict[str, Any]:
    held = task["properties"]
    known = [name for name in asked if name in TASK]
    return {
        "id": task["id"],
        "properties": {name: held.get(name) for name in dict.fromkeys((*known, *TASK_ALWAYS))},
        "createdAt": iso(task["createdAt"]),
        "updatedAt": iso(task["updatedAt"]),
        "archived": task["archivedAt"] is not None,
    }
