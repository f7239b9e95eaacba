"""Contacts by the hundred: batch read, update, create, archive."""

from __future__ import annotations

from collections import Counter
from typing import Any

from crm_steward.sandbox import Refusal, Request, Response, Routes
from crm_steward_hubspot.sandbox import answers
from crm_steward_hubspot.sandbox.account import Conflict, HubSpotAccount
from crm_steward_hubspot.sandbox.contacts import READ, WRITE, refuse_conflict
from crm_steward_hubspot.sandbox.values import checked, iso, milliseconds

routes = Routes()
_PATH = "/crm/v3/objects/contacts/batch"
_MOST = 100
_GONE = (
    "Could not get some CONTACT objects, they may be deleted or not exist. "
    "Check that ids are valid."
)
_ROW_KEYS = {
    "read": {"id"},
    "update": {"id", "idProperty", "properties", "objectWriteTraceId"},
    "create": {"properties", "associations", "objectWriteTraceId"},
    "archive": {"id"},
    "associations": {"id", "after"},
}


@routes.add(
    "POST",
    f"{_PATH}/read",
    query=("archived",),
    body=("properties", "propertiesWithHistory", "idProperty", "inputs"),
    scopes=READ,
)
def read(crm: HubSpotAccount, request: Request) -> Response:
    """Read records by id; ids of merged ones are not followed."""
    if request.json.get("propertiesWithHistory"):
        raise Refusal(crm.unknown("propertiesWithHistory in batch/read"))
    rows = inputs(crm, request, "read")
    archived = request.one("archived", "false") == "true"
    by = _id_property(crm, request.json.get("idProperty"))
    asked = request.json.get("properties") or []
    results, missing = [], []
    for position, item in enumerate(rows):
        record_id = str(item.get("id", ""))
        row = crm.find(crm.holder(record_id) or "" if by == "email" else record_id)
        gone = row is None or crm.purged(row) or (row["archivedAt"] is not None) != archived
        if gone or _fails(request, position, record_id):
            missing.append(record_id)
        elif row is not None:
            results.append(crm.render(row, asked))
    return finished(crm, request, results, [_missing(missing)] if missing else [])


@routes.add("POST", f"{_PATH}/update", body=("inputs",), scopes=WRITE)
def update(crm: HubSpotAccount, request: Request) -> Response:
    """Set values of records: one invalid value refuses all, a missing record only itself.

    A taken e-mail address refuses all with 409, unless every row carries `objectWriteTraceId`.
    """
    rows = inputs(crm, request, "update")
    ids = [_target(crm, item) for item in rows]
    doubled = [record_id for record_id, count in Counter(ids).items() if count > 1 and record_id]
    if doubled:
        answers.invalid(
            f"Duplicate IDs found in batch input: [{', '.join(doubled)}]. IDs must be unique",
            context={"ids": doubled},
        )
    values = [checked(item.get("properties", {}), crm.definitions) for item in rows]
    if request.meddling and request.meddling.no_op:
        return finished(crm, request, [], [])
    _refuse_taken(crm, rows, list(zip(ids, values, strict=True)))
    results, missing, errors = [], [], []
    for position, (record_id, value) in enumerate(zip(ids, values, strict=True)):
        row = crm.find(record_id)
        if _fails(request, position, record_id):
            errors.append(_scripted(request, record_id))
        elif row is None or row["archivedAt"] is not None:
            missing.append(str(rows[position].get("id", "")))
        else:
            try:
                results.append(crm.render(crm.write(record_id, value), _written(value)))
            except Conflict as conflict:
                errors.append(_taken(conflict, rows[position]))
    if missing:
        errors.append(_missing(missing))
    return finished(crm, request, results, errors)


@routes.add("POST", f"{_PATH}/create", body=("inputs",), scopes=WRITE)
def create(crm: HubSpotAccount, request: Request) -> Response:
    """Make records; a taken address refuses all, unless every row carries `objectWriteTraceId`."""
    rows = inputs(crm, request, "create")
    if any(item.get("associations") for item in rows):
        raise Refusal(crm.unknown("associations while contacts are created"))
    values = [checked(item.get("properties", {}), crm.definitions) for item in rows]
    if request.meddling and request.meddling.no_op:
        return finished(crm, request, [], [], status=201)
    _refuse_taken(crm, rows, [("", value) for value in values])
    results, errors = [], []
    for item, value in zip(rows, values, strict=True):
        try:
            results.append(crm.render(crm.create(value), _written(value)))
        except Conflict as conflict:
            errors.append(_taken(conflict, item))
    return finished(crm, request, results, errors, status=201)


@routes.add("POST", f"{_PATH}/archive", body=("inputs",), scopes=WRITE)
def archive(crm: HubSpotAccount, request: Request) -> Response:
    """Move records to the bin: 204 always, unknown ids included."""
    for item in inputs(crm, request, "archive"):
        crm.archive(str(item.get("id", "")))
    return Response(204)


def inputs(
    crm: HubSpotAccount, request: Request, verb: str, *, most: int = _MOST
) -> list[dict[str, Any]]:
    """Return the rows of a batch.

    Raises:
        Refusal: 400 when there are none or too many, 501 for keys HubSpot does not document.
    """
    rows = request.json.get("inputs")
    if not isinstance(rows, list) or not all(isinstance(item, dict) for item in rows):
        answers.invalid("Invalid input JSON: inputs must be a list of objects")
    if len(rows) > most:
        answers.invalid(f"The maximum number of inputs supported in a batch request is {most}")
    strange = sorted({key for item in rows for key in item} - _ROW_KEYS[verb])
    if strange:
        raise Refusal(crm.unknown(f"batch/{verb} with {', '.join(strange)} in a row"))
    return rows


def finished(
    crm: HubSpotAccount,
    request: Request,
    results: list[dict[str, Any]],
    errors: list[dict[str, Any]],
    *,
    status: int = 200,
) -> Response:
    """Return a batch answer: results in no order, 207 when any row failed."""
    if request.meddling and request.meddling.no_op:
        results, errors = [], []
    crm.shuffler.shuffle(results)
    now = iso(milliseconds(crm.now()))
    body: dict[str, Any] = {
        "status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now,
    }  # fmt: skip
    if errors:
        body |= {"errors": errors, "numErrors": len(errors)}
    return Response(207 if errors else status, body)


def _target(crm: HubSpotAccount, item: dict[str, Any]) -> str:
    given = str(item.get("id", ""))
    if _id_property(crm, item.get("idProperty")) == "email":
        return crm.holder(given) or ""
    return given


def _id_property(crm: HubSpotAccount, name: Any) -> str:
    if name in {None, "", "hs_object_id"}:
        return ""
    if name != "email":
        raise Refusal(crm.unknown(f"idProperty {name}"))
    return "email"


def _refuse_taken(
    crm: HubSpotAccount, rows: list[dict[str, Any]], pairs: list[tuple[str, dict[str, str]]]
) -> None:
    """Refuse the whole batch when an address is taken and rows cannot be told apart."""
    if all(item.get("objectWriteTraceId") for item in rows):
        return
    claimed: dict[str, str] = {}
    for position, (record_id, value) in enumerate(pairs):
        email = value.get("email", "").casefold()
        if not email:
            continue
        owner = record_id or f"row {position}"
        holder = claimed.setdefault(email, crm.holder(email) or owner)
        if holder != owner:
            refuse_conflict(Conflict(holder))


def _written(values: dict[str, str]) -> tuple[str, ...]:
    return (*values, "email", "firstname", "lastname")


def _fails(request: Request, position: int, record_id: str) -> bool:
    partial = request.meddling.partial if request.meddling else None
    return partial is not None and partial.hits(position, record_id)


def _scripted(request: Request, record_id: str) -> dict[str, Any]:
    partial = request.meddling.partial if request.meddling else None
    return {
        "status": "error",
        "category": partial.category if partial else "",
        "message": partial.message if partial else "",
        "context": {"ids": [record_id]},
    }


def _missing(ids: list[str]) -> dict[str, Any]:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": _GONE,
        "context": {"ids": ids},
    }


def _taken(conflict: Conflict, item: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": "error",
        "category": "CONFLICT",
        "message": f"Contact already exists. Existing ID: {conflict.existing}",
        "context": {
            "objectWriteTraceId": [str(item.get("objectWriteTraceId", ""))],
            "existingId": [conflict.existing],
        },
    }
