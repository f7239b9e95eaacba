"""Tasks: made, listed, and attached to a contact by `Who_Id`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crm_steward.sandbox import Refusal, Request, Response, Routes
from crm_steward_zoho.sandbox import answers
from crm_steward_zoho.sandbox.account import Row, ZohoAccount
from crm_steward_zoho.sandbox.answers import envelope
from crm_steward_zoho.sandbox.rendering import owner_of
from crm_steward_zoho.sandbox.schema import TASK, TASK_LENGTHS, USER_BY_ID
from crm_steward_zoho.sandbox.values import stamp
from crm_steward_zoho.sandbox.writing import finished, rows_of

routes = Routes()
PATH = "/crm/v8/Tasks"
_KEYS = {"Subject", "Description", "Due_Date", "Status", "Priority", "Owner", "Who_Id"}
_STATUSES = ("Not Started", "Deferred", "In Progress", "Completed", "Waiting for input")
_PRIORITIES = ("High", "Highest", "Low", "Lowest", "Normal")


@routes.add(
    "POST",
    PATH,
    body=("data", "trigger"),
    scopes=("ZohoCRM.modules.tasks.CREATE",),
    quota="rows",
)
def create(crm: ZohoAccount, request: Request) -> Response:
    """Make tasks; each row has its own outcome."""
    rows = rows_of(crm, request)
    if request.meddling and request.meddling.no_op:
        return Response(201, {"data": []})
    results = [_create(crm, item, at) for at, item in enumerate(rows)]
    return finished(crm, results, done=201)


@routes.add(
    "PUT",
    PATH,
    body=("data", "trigger"),
    scopes=("ZohoCRM.modules.tasks.UPDATE",),
    quota="rows",
)
def update(crm: ZohoAccount, request: Request) -> Response:
    """Set the status of tasks; each row has its own outcome."""
    rows = rows_of(crm, request)
    if any(set(row) - {"id", "Status"} for row in rows):
        raise Refusal(crm.unknown("updating a task's fields other than Status"))
    if request.meddling and request.meddling.no_op:
        return Response(200, {"data": []})
    return finished(crm, [_update(crm, item, at) for at, item in enumerate(rows)])


@routes.add(
    "GET",
    PATH,
    query=("fields", "page", "per_page", "ids"),
    scopes=("ZohoCRM.modules.tasks.READ",),
    quota="call",
)
def list_tasks(crm: ZohoAccount, request: Request) -> Response:
    """List tasks, newest first."""
    names = [name for name in request.one("fields").split(",") if name]
    if not names or set(names) - set(TASK):
        answers.refuse(400, "REQUIRED_PARAM_MISSING", "fields", param_name="fields")
    tasks = crm.tables["tasks"]
    wanted = request.one("ids").split(",") if "ids" in request.query else sorted(tasks)[::-1]
    found = [tasks[task_id] for task_id in wanted if task_id in tasks][:200]
    if not found:
        return Response(204)
    data = [{"id": t["id"], **{n: task_value(crm, t, n) for n in names}} for t in found]
    return Response(200, {"data": data, "info": {"count": len(data), "more_records": False}})


def task_value(crm: ZohoAccount, task: Mapping[str, Any], name: str) -> Any:
    """Return one field of a task."""
    held = task["values"]
    match name:
        case "id":
            return task["id"]
        case "Created_Time" | "Modified_Time":
            return stamp(task[name.partition("_")[0].lower()], crm.zone)
        case "Who_Id":
            contact = crm.find(held["Who_Id"]) if held["Who_Id"] else None
            return contact and {"name": crm.value(contact, "Full_Name"), "id": contact["id"]}
        case _:
            return held.get(name)


def _create(crm: ZohoAccount, item: Mapping[str, Any], at: int) -> dict[str, Any]:
    wrong = _wrong(crm, item, at)
    if wrong:
        return wrong
    now = crm.seconds()
    owner = item.get("Owner") or {"id": owner_of(0)["id"]}
    task: Row = {
        "id": crm.new_id(),
        "values": {
            "Subject": item["Subject"],
            "Description": item.get("Description"),
            "Due_Date": item.get("Due_Date"),
            "Status": item.get("Status", "Not Started"),
            "Priority": item.get("Priority", "High"),
            "Owner": {"id": owner["id"], "name": USER_BY_ID[owner["id"]]["full_name"]},
            "Who_Id": (item.get("Who_Id") or {}).get("id"),
        },
        "created": now,
        "modified": now,
    }
    crm.keep_task(task)
    details = {
        "id": task["id"],
        "Created_Time": stamp(now, crm.zone),
        "Modified_Time": stamp(now, crm.zone),
    }
    return {"code": "SUCCESS", "details": details, "message": "record added", "status": "success"}


def _update(crm: ZohoAccount, item: Mapping[str, Any], at: int) -> dict[str, Any]:
    task = crm.tables["tasks"].get(str(item.get("id", "")))
    wrong = "id" if task is None else "" if item.get("Status") in _STATUSES else "Status"
    if task is None or wrong:
        path = f"$.data[{at}].{wrong}"
        return envelope("INVALID_DATA", "invalid data", api_name=wrong, json_path=path)
    now = crm.seconds()
    values = {**task["values"], "Status": item["Status"]}
    crm.keep_task({**task, "values": values, "modified": now})
    details = {
        "id": task["id"],
        "Created_Time": stamp(task["created"], crm.zone),
        "Modified_Time": stamp(now, crm.zone),
    }
    return {"code": "SUCCESS", "details": details, "message": "record updated", "status": "success"}


def _wrong(crm: ZohoAccount, item: Mapping[str, Any], at: int) -> dict[str, Any] | None:
    """Return the row's error, or None."""
    if not item.get("Subject"):
        return envelope(
            "MANDATORY_NOT_FOUND", "required field not found", api_name="Subject",
            json_path=f"$.data[{at}].Subject",
        )  # fmt: skip
    contact = item.get("Who_Id")
    owner = item.get("Owner")
    checks = {
        "Who_Id": contact is None or crm.find(str(contact.get("id"))) is not None,
        "Owner": owner is None or _active(owner.get("id")),
        "Status": item.get("Status", "Not Started") in _STATUSES,
        "Priority": item.get("Priority", "High") in _PRIORITIES,
        **{n: len(item.get(n) or "") <= most for n, most in TASK_LENGTHS.items()},
        **dict.fromkeys(set(item) - _KEYS, False),
    }
    for name, fine in checks.items():
        if not fine:
            path = f"$.data[{at}].{name}"
            return envelope("INVALID_DATA", "invalid data", api_name=name, json_path=path)
    return None


def _active(user_id: Any) -> bool:
    return user_id in USER_BY_ID and USER_BY_ID[user_id]["status"] == "active"
