"""The recycle bin: records are taken out of it by id, each with its own outcome."""

from __future__ import annotations

from typing import Any

from crm_steward.sandbox import Refusal, Request, Response, Routes
from crm_steward_zoho.sandbox import answers
from crm_steward_zoho.sandbox.account import ZohoAccount
from crm_steward_zoho.sandbox.answers import envelope

routes = Routes()
_MOST = 200
_MULTI = 207


@routes.add(
    "POST",
    "/crm/v8/settings/recycle_bin/actions/restore",
    body=("ids",),
    scopes=("ZohoCRM.settings.recycle_bin.UPDATE",),
    quota="call",
)
def restore(crm: ZohoAccount, request: Request) -> Response:
    """Bring back up to 200 records; what is not in the bin is a row that is refused."""
    ids = request.json.get("ids")
    if not isinstance(ids, list) or not 1 <= len(ids) <= _MOST:
        answers.invalid(param_name="ids")
    if request.meddling and request.meddling.no_op:
        return Response(200, {"recycle_bin": []})
    rows = [_restored(crm, str(record_id)) for record_id in ids]
    refused = [row for row in rows if row["status"] == "error"]
    if len(refused) == len(rows):
        raise Refusal(Response(400, {"recycle_bin": rows}))
    return Response(_MULTI if refused else 200, {"recycle_bin": rows})


def _restored(crm: ZohoAccount, record_id: str) -> dict[str, Any]:
    try:
        crm.restore(record_id)
    except ValueError:
        return envelope("INVALID_DATA", "the id given seems to be invalid", id=record_id)
    return {
        "code": "SUCCESS",
        "details": {"id": record_id},
        "message": "record restored",
        "status": "success",
    }
