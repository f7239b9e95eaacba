"""The merge action: one master, one or two children, at once or as a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from crm_steward.sandbox import Refusal, Request, Response, Routes
from crm_steward_zoho.sandbox import answers
from crm_steward_zoho.sandbox.account import ZohoAccount
from crm_steward_zoho.sandbox.answers import envelope

routes = Routes()
PATH = "/crm/v8/Contacts/{master_id}/actions/merge"
_MOST_CHILDREN = 2
_MOST_FIELDS = 100


@routes.add(
    "POST", PATH, body=("merge",), scopes=("ZohoCRM.modules.contacts.UPDATE",), quota="call"
)
def merge(crm: ZohoAccount, request: Request, master_id: str) -> Response:
    """Fold the children into the master; they go to the recycle bin."""
    children = _children(crm, request, master_id)
    if request.meddling and request.meddling.no_op:
        return Response(200, {"merge": []})
    row = crm.find(master_id)
    if row is None:
        answers.invalid("the master record id given seems to be invalid", resource_path_index=1)
    if crm.merge_job is None:
        crm.merge(row, children)
        return _answer(200, "SUCCESS", id=master_id)
    job_id = crm.new_id()
    due = (crm.now() + crm.merge_job).timestamp()
    crm.tables["jobs"][job_id] = {
        "status": "SCHEDULED", "master": master_id, "children": children, "due": due,
    }  # fmt: skip
    for record_id in (master_id, *children):
        crm.keep({**crm.tables["contacts"][record_id], "merging": True})
    return _answer(202, "SCHEDULED", job_id=job_id)


@routes.add("GET", PATH, query=("job_id",), scopes=("ZohoCRM.modules.contacts.READ",), quota="call")
def status(crm: ZohoAccount, request: Request, master_id: str) -> Response:
    """Tell how a scheduled merge stands."""
    job = crm.tables["jobs"].get(request.one("job_id"))
    if job is None or job["master"] != master_id:
        answers.invalid(param_name="job_id")
    return Response(200, {"merge": [{"job_id": request.one("job_id"), "status": job["status"]}]})


def _children(crm: ZohoAccount, request: Request, master_id: str) -> dict[str, list[str]]:
    """Return child → fields taken from it.

    Raises:
        Refusal: 400 inside `merge[]`, as Zoho refuses.
    """
    orders = request.json.get("merge")
    if not isinstance(orders, list) or len(orders) != 1 or not isinstance(orders[0], dict):
        _refuse("INVALID_DATA", json_path="$.merge", maximum_length=1)
    data = orders[0].get("data")
    if not data:
        _refuse("MANDATORY_NOT_FOUND", api_name="data", json_path="$.merge[0].data")
    if len(data) > _MOST_CHILDREN:
        _refuse("LIMIT_EXCEEDED", limit=_MOST_CHILDREN, json_path="$.merge[0].data")
    children: dict[str, list[str]] = {}
    for at, child in enumerate(data):
        children |= _child(crm, child, at, master_id)
    if len(children) != len(data):
        _refuse("DUPLICATE_DATA", json_path="$.merge[0].data")
    return children


def _child(
    crm: ZohoAccount, child: Mapping[str, Any], at: int, master_id: str
) -> dict[str, list[str]]:
    path = f"$.merge[0].data[{at}]"
    record_id = str(child.get("id", ""))
    row = crm.find(record_id)
    if row is None or record_id == master_id:
        _refuse("INVALID_DATA", api_name="id", json_path=f"{path}.id")
    if row["merging"] or row["locked"]:
        _refuse("NOT_ALLOWED", api_name="id", json_path=f"{path}.id")
    names = [field.get("api_name") for field in child.get("_fields", [])]
    if len(names) > _MOST_FIELDS or any(name not in crm.fields for name in names):
        _refuse("INVALID_DATA", api_name="_fields", json_path=f"{path}._fields")
    return {record_id: names}


def _refuse(code: str, **details: Any) -> NoReturn:
    body = {"merge": [envelope(code, "the merge cannot be done", **details)]}
    raise Refusal(Response(400, body))


def _answer(http: int, code: str, **details: Any) -> Response:
    row = {"code": code, "details": details, "message": "merge", "status": "success"}
    return Response(http, {"merge": [row]})
