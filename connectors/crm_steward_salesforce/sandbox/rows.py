"""Records one by one (sObject Rows) and by the two hundred (sObject Collections)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from crm_steward.sandbox import Refusal, Request, Response, Routes
from crm_steward_salesforce.sandbox import answers
from crm_steward_salesforce.sandbox.checks import (
    RowError,
    check_duplicate,
    check_json,
    checked,
)
from crm_steward_salesforce.sandbox.org import Row, SalesforceOrg
from crm_steward_salesforce.sandbox.schema import OBJECTS
from crm_steward_salesforce.sandbox.values import full_id, read_stamp

routes = Routes()
_ROWS = "/services/data/v{_version}/sobjects/{name}"
_COLLECTIONS = "/services/data/v{_version}/composite/sobjects"
_MOST = 200
_WRITABLE = frozenset({"Contact", "Task"})


@routes.add("PATCH", f"{_ROWS}/{{record_id}}")
def update(
    crm: SalesforceOrg, request: Request, _version: str, name: str, record_id: str
) -> Response:
    """Change one record, if it was not modified since the header's second."""
    _known(crm, name)
    values = _object(request)
    check_json(crm, name, values)
    row = crm.find(name, record_id)
    try:
        if row is not None and not row["IsDeleted"]:
            _check_unmodified(request, row)
        if not (request.meddling and request.meddling.no_op):
            update_row(crm, name, record_id, values, request.headers)
    except RowError as error:
        answers.refuse(error.status, error.code, error.message, error.fields)
    return Response(204)


@routes.add("POST", _ROWS)
def create(crm: SalesforceOrg, request: Request, _version: str, name: str) -> Response:
    """Make one record."""
    _known(crm, name)
    values = _object(request)
    check_json(crm, name, values)
    try:
        row = create_row(crm, name, values, request.headers)
    except RowError as error:
        answers.refuse(error.status, error.code, error.message, error.fields)
    return Response(201, {"id": row["Id"], "success": True, "errors": []})


@routes.add("DELETE", f"{_ROWS}/{{record_id}}")
def delete(
    crm: SalesforceOrg, request: Request, _version: str, name: str, record_id: str
) -> Response:
    """Move one record to the recycle bin; there is no conditional DELETE."""
    _known(crm, name)
    if "if-unmodified-since" in request.headers:
        raise Refusal(crm.unknown("a conditional DELETE"))
    try:
        delete_row(crm, name, record_id)
    except RowError as error:
        answers.refuse(error.status, error.code, error.message, error.fields)
    return Response(204)


@routes.add("PATCH", _COLLECTIONS, body=("allOrNone", "records"))
def update_many(crm: SalesforceOrg, request: Request, _version: str) -> Response:
    """Change up to 200 records, each for itself; the rows come back in the order sent."""

    def one(record: Row) -> str:
        record_id = record.get("id") or record.get("Id")
        if not record_id:
            raise RowError("MISSING_ARGUMENT", "Id not specified in an update call")
        values = {k: v for k, v in record.items() if k not in {"id", "Id", "attributes"}}
        return update_row(crm, _type(crm, record), str(record_id), values, request.headers)

    records = _records(crm, request)
    ids = [full_id(str(record.get("id") or record.get("Id") or "")) for record in records]
    doubled = {record_id for record_id in ids if record_id and ids.count(record_id) > 1}
    if doubled:
        raise Refusal(crm.unknown("a collection that holds the same id twice"))
    return _each(request, records, one)


@routes.add("POST", _COLLECTIONS, body=("allOrNone", "records"))
def create_many(crm: SalesforceOrg, request: Request, _version: str) -> Response:
    """Make up to 200 records, each for itself."""

    def one(record: Row) -> str:
        values = {k: v for k, v in record.items() if k != "attributes"}
        return str(create_row(crm, _type(crm, record), values, request.headers)["Id"])

    return _each(request, _records(crm, request), one)


@routes.add("DELETE", _COLLECTIONS, query=("ids", "allOrNone"))
def delete_many(crm: SalesforceOrg, request: Request, _version: str) -> Response:
    """Move up to 200 records to the recycle bin, each for itself, in the order of the ids."""
    if request.one("allOrNone", "false") != "false":
        raise Refusal(crm.unknown("allOrNone=true"))
    ids = [part for part in request.one("ids").split(",") if part]
    if not 1 <= len(ids) <= _MOST:
        answers.refuse(400, "REQUIRED_FIELD_MISSING", "1 to 200 ids are required")
    prefixes = {item.prefix: name for name, item in OBJECTS.items()}

    def one(record: Row) -> str:
        name = prefixes.get(record["id"][:3], "")
        _known(crm, name)
        return delete_row(crm, name, record["id"])

    return _each(request, [{"id": record_id} for record_id in ids], one)


# -- one record -------------------------------------------------------------------------------


def update_row(
    crm: SalesforceOrg,
    name: str,
    record_id: str,
    values: Mapping[str, Any],
    headers: Mapping[str, str],
) -> str:
    """Change one record and return its id.

    Raises:
        RowError: It is refused.
    """
    row = existing(crm, name, record_id)
    _check_lock(crm, row["Id"])
    if name == "Contact" and "EditContact" not in crm.permissions:
        raise _forbidden()
    stored = checked(crm, name, values, new=False)
    if name == "Contact":
        check_duplicate(crm, row["Id"], stored, headers)
    crm.write(name, row["Id"], stored)
    if name == "Task":
        _roll_activity(crm, crm.tables["Task"][row["Id"]])
    return str(row["Id"])


def _roll_activity(crm: SalesforceOrg, task: Row) -> None:
    """Let a completed task's due date be its contact's last activity, if it is the latest."""
    contact = crm.find("Contact", task.get("WhoId") or "")
    if contact is None or task["Status"] != "Completed" or not task.get("ActivityDate"):
        return
    latest = max(contact.get("LastActivityDate") or "", task["ActivityDate"])
    crm.write("Contact", contact["Id"], {"LastActivityDate": latest}, system=True)


def create_row(
    crm: SalesforceOrg, name: str, values: Mapping[str, Any], headers: Mapping[str, str]
) -> Row:
    """Make one record.

    Raises:
        RowError: It is refused.
    """
    if name == "Task" and "CreateTask" not in crm.permissions:
        raise _forbidden()
    stored = checked(crm, name, values, new=True)
    if name == "Contact":
        check_duplicate(crm, "", stored, headers)
    for field in OBJECTS[name].fields.values():
        if field.required and field.options:
            stored.setdefault(field.name, field.options[0])
    return crm.create(name, stored)


def delete_row(crm: SalesforceOrg, name: str, record_id: str) -> str:
    """Move one record to the recycle bin and return its id.

    Raises:
        RowError: It is refused.
    """
    row = existing(crm, name, record_id)
    _check_lock(crm, row["Id"])
    if name == "Contact" and "DeleteContact" not in crm.permissions:
        raise _forbidden()
    crm.write(name, row["Id"], {"IsDeleted": True})
    return str(row["Id"])


def existing(crm: SalesforceOrg, name: str, record_id: str) -> Row:
    """Return a record that is there.

    Raises:
        RowError: It never was, or it is deleted.
    """
    row = crm.find(name, record_id)
    if row is None:
        raise RowError("NOT_FOUND", "The requested resource does not exist", status=404)
    if row["IsDeleted"]:
        raise RowError("ENTITY_IS_DELETED", "entity is deleted", status=404)
    return row


def _check_lock(crm: SalesforceOrg, record_id: str) -> None:
    if crm.locked[record_id] > 0:
        crm.locked[record_id] -= 1
        raise RowError("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")


def _forbidden() -> RowError:
    text = "insufficient access rights on object id"
    return RowError("INSUFFICIENT_ACCESS_OR_READONLY", text, status=403)


def _check_unmodified(request: Request, row: Row) -> None:
    """Compare `If-Unmodified-Since` with `LastModifiedDate`, both in whole seconds.

    Raises:
        Refusal: 412, or 400 for a header that is not an HTTP date.
    """
    header = request.headers.get("if-unmodified-since")
    if header is None:
        return
    try:
        since = parsedate_to_datetime(header).astimezone(UTC)
    except ValueError as error:
        raise Refusal(answers.error(400, "INVALID_HEADER", "not an HTTP date")) from error
    if read_stamp(row["LastModifiedDate"]) > since:
        raise Refusal(answers.scripted(412))


# -- requests ---------------------------------------------------------------------------------


def _known(crm: SalesforceOrg, name: str) -> None:
    if name not in OBJECTS or not crm.exists(name):
        answers.refuse(404, "NOT_FOUND", "The requested resource does not exist")
    if name not in _WRITABLE:
        raise Refusal(crm.unknown(f"writing {name}"))


def _type(crm: SalesforceOrg, record: Row) -> str:
    attributes = record.get("attributes")
    name = attributes.get("type") if isinstance(attributes, dict) else None
    if not isinstance(name, str):
        answers.refuse(400, "INVALID_INPUT", "attributes.type is required")
    _known(crm, name)
    return name


def _object(request: Request) -> Row:
    try:
        content = request.json
    except ValueError as error:
        raise Refusal(answers.error(400, "JSON_PARSER_ERROR", "not JSON")) from error
    if not isinstance(content, dict):
        answers.refuse(400, "JSON_PARSER_ERROR", "an object is expected")
    return content


def _records(crm: SalesforceOrg, request: Request) -> list[Row]:
    if request.json.get("allOrNone"):
        raise Refusal(crm.unknown("allOrNone=true"))
    records = request.json.get("records")
    if not isinstance(records, list) or not all(isinstance(item, dict) for item in records):
        answers.refuse(400, "JSON_PARSER_ERROR", "records must be a list of objects")
    if not records:
        answers.refuse(400, "REQUIRED_FIELD_MISSING", "At least 1 record is required")
    if len(records) > _MOST:
        answers.refuse(400, "LIMIT_EXCEEDED", "at most 200 records are allowed")
    for record in records:
        check_json(crm, _type(crm, record), record)
    return records


def _each(request: Request, records: list[Row], one: Callable[[Row], str]) -> Response:
    """Handle rows one after the other; a request that cannot be read writes nothing at all."""
    fault = request.meddling
    if fault and fault.no_op:
        return Response(200, [])
    results: list[Row] = []
    for position, record in enumerate(records):
        record_id = str(record.get("id") or record.get("WhoId") or "")
        if fault and fault.partial and fault.partial.hits(position, record_id):
            results.append(answers.row_error(fault.partial.category, fault.partial.message))
            continue
        try:
            results.append({"id": one(record), "success": True, "errors": []})
        except RowError as error:
            results.append(answers.row_error(error.code, error.message, error.fields))
    return Response(200, results)
