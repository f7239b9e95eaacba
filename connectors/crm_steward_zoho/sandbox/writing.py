"""Contacts written: update with or without a precondition, delete, tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crm_steward.sandbox import Refusal, Request, Response, Routes
from crm_steward_zoho.sandbox import answers
from crm_steward_zoho.sandbox.account import Row, ZohoAccount
from crm_steward_zoho.sandbox.answers import envelope
from crm_steward_zoho.sandbox.schema import USERS
from crm_steward_zoho.sandbox.values import problem, read_time, stamp

routes = Routes()
PATH = "/crm/v8/Contacts"
_MOST = 100
TRIGGERS = frozenset({"approval", "workflow", "blueprint", "pathfinder", "orchestration"})


@routes.add(
    "PUT",
    PATH,
    body=("data", "trigger"),
    scopes=("ZohoCRM.modules.contacts.UPDATE",),
    quota="rows",
)
def update(crm: ZohoAccount, request: Request) -> Response:
    """Set values of up to 100 records; each row has its own outcome."""
    rows = rows_of(crm, request)
    guard = request.headers.get("if-unmodified-since")
    if guard is not None:
        moved = _moved(crm, rows, guard)
        if moved is not None:
            return moved
    if request.meddling and request.meddling.no_op:
        return Response(200, {"data": []})
    results = [_update(crm, request, item, at) for at, item in enumerate(rows)]
    return finished(crm, results)


@routes.add(
    "DELETE",
    PATH,
    query=("ids", "wf_trigger"),
    scopes=("ZohoCRM.modules.contacts.DELETE",),
    quota="call",
)
def delete(crm: ZohoAccount, request: Request) -> Response:
    """Move up to 100 records to the recycle bin; each row has its own outcome."""
    ids = [record_id for record_id in request.one("ids").split(",") if record_id]
    if not 1 <= len(ids) <= _MOST:
        answers.invalid(param_name="ids")
    if request.meddling and request.meddling.no_op:
        return Response(200, {"data": []})
    return finished(crm, [_delete(crm, record_id) for record_id in ids])


@routes.add(
    "POST",
    f"{PATH}/actions/add_tags",
    body=("tags", "ids", "over_write"),
    scopes=("ZohoCRM.modules.contacts.UPDATE",),
    quota="tags",
)
def add_tags(crm: ZohoAccount, request: Request) -> Response:
    """Put tags on records."""
    tags = [tag.get("name") for tag in request.json.get("tags", [])]
    ids = request.json.get("ids", [])
    if not tags or not all(tags) or not ids:
        answers.refuse(400, "MANDATORY_NOT_FOUND", "required field not found", api_name="tags")
    results = []
    for at, record_id in enumerate(ids):
        row = crm.find(record_id)
        if row is None:
            results.append(envelope("INVALID_DATA", "invalid data", json_path=f"$.ids[{at}]"))
            continue
        held = [tag["name"] for tag in row["values"].get("Tag", [])]
        names = dict.fromkeys([*held, *tags])
        crm.write(row, {"Tag": [{"name": name} for name in names]})
        details = {"id": record_id, "tags": tags}
        results.append(_success(details, "tags updated successfully"))
    return finished(crm, results)


def rows_of(crm: ZohoAccount, request: Request) -> list[dict[str, Any]]:
    """Return the rows of a write.

    Raises:
        Refusal: 400 when there are none or too many, 501 for triggers Zoho does not document.
    """
    rows = request.json.get("data")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        answers.invalid(expected_data_type="jsonarray", api_name="data", json_path="$.data")
    if len(rows) > _MOST:
        answers.invalid(maximum_length=_MOST, api_name="data", json_path="$.data")
    strange = set(request.json.get("trigger") or ()) - TRIGGERS
    if strange:
        raise Refusal(crm.unknown(f"trigger {', '.join(map(str, strange))}"))
    return rows


def finished(
    crm: ZohoAccount, results: Sequence[Mapping[str, Any]], *, done: int = 200
) -> Response:
    """Return a write's answer in the order of its rows: all done, some done (207), none done."""
    good = sum(result["status"] == "success" for result in results)
    status = done if good == len(results) else 207 if good else crm.refused_status
    return Response(status, {"data": list(results)})


def _moved(crm: ZohoAccount, rows: Sequence[Mapping[str, Any]], guard: str) -> Response | None:
    """Return the 412 of a record modified after `guard`, or None."""
    if len(rows) > 1:
        raise Refusal(crm.unknown("If-Unmodified-Since with more than one record"))
    moment = read_time(guard)
    if moment is None:
        answers.invalid("invalid value of the header If-Unmodified-Since")
    row = crm.find(str(rows[0].get("id", "")))
    if row is None or row["modified"] <= moment:
        return None
    details = {"id": row["id"], "Modified_Time": stamp(row["modified"], crm.zone)}
    message = "the record has been modified by another user"
    return Response(412, {"data": [envelope("ALREADY_MODIFIED", message, **details)]})


def _update(
    crm: ZohoAccount, request: Request, item: Mapping[str, Any], at: int
) -> Mapping[str, Any]:
    record_id = str(item.get("id", ""))
    row = crm.find(record_id)
    partial = request.meddling.partial if request.meddling else None
    if row is None or (partial and partial.hits(at, record_id)):
        path = f"$.data[{at}].id"
        return envelope(
            "INVALID_DATA", "the id given seems to be invalid", api_name="id", json_path=path
        )
    if row["locked"]:
        return envelope("RECORD_LOCKED", "the record is locked", id=record_id)
    values = {name: value for name, value in item.items() if name != "id"}
    for name, value in values.items():
        wrong = problem(crm.fields.get(name), name, value, f"$.data[{at}].{name}")
        if wrong:
            return wrong
    taken = _taken(crm, record_id, values, at)
    if taken:
        return taken
    written = crm.write(row, values)
    return _success(_written(crm, written), "record updated")


def _taken(
    crm: ZohoAccount, record_id: str, values: Mapping[str, Any], at: int
) -> Mapping[str, Any] | None:
    email = values.get("Email")
    other = crm.holder(email, but=record_id) if crm.unique_email and email else None
    if other is None:
        return None
    duplicate = {"id": other, "module": {"api_name": "Contacts"}}
    return envelope(
        "DUPLICATE_DATA",
        "duplicate data",
        api_name="Email",
        json_path=f"$.data[{at}].Email",
        duplicate_record=duplicate,
    )


def _delete(crm: ZohoAccount, record_id: str) -> Mapping[str, Any]:
    row = crm.find(record_id)
    if row is None:
        return envelope("INVALID_DATA", "the id given seems to be invalid", id=record_id)
    if row["locked"]:
        return envelope("RECORD_LOCKED", "the record is locked", id=record_id)
    crm.delete(row)
    return _success({"id": record_id}, "record deleted")


def _written(crm: ZohoAccount, row: Row) -> dict[str, Any]:
    user = {"name": USERS[0]["full_name"], "id": USERS[0]["id"]}
    return {
        "id": row["id"],
        "Modified_Time": stamp(row["modified"], crm.zone),
        "Modified_By": user,
        "Created_Time": stamp(row["created"], crm.zone),
        "Created_By": user,
        "$approval_state": "approved",
    }


def _success(details: Mapping[str, Any], message: str) -> dict[str, Any]:
    return {"code": "SUCCESS", "details": details, "message": message, "status": "success"}
