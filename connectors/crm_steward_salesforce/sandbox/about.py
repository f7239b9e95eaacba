"""What an org says about itself: versions, objects, limits."""

from __future__ import annotations

from typing import Any

from crm_steward.sandbox import Request, Response, Routes
from crm_steward_salesforce.sandbox import answers
from crm_steward_salesforce.sandbox.org import SalesforceOrg
from crm_steward_salesforce.sandbox.schema import OBJECTS

routes = Routes()
_NEEDED = {
    "createable": {"Task": "CreateTask", "Contact": "EditContact"},
    "updateable": {"Contact": "EditContact"},
    "deletable": {"Contact": "DeleteContact"},
}


@routes.add("GET", "/services/data", quota="none")
def versions(crm: SalesforceOrg, _: Request) -> Response:
    """List the versions that are served; nobody needs a token for it."""
    return Response(
        200,
        [
            {"label": f"Version {n}", "url": f"/services/data/v{n}.0", "version": f"{n}.0"}
            for n in crm.versions()
        ],
    )


@routes.add("GET", "/services/data/v{_version}/limits")
def limits(crm: SalesforceOrg, _: Request, _version: str) -> Response:
    """Say what is left of the rolling 24 hours."""
    left = {"Max": crm.daily, "Remaining": max(crm.daily - len(crm.used), 0)}
    return Response(200, {"DailyApiRequests": left})


@routes.add("GET", "/services/data/v{_version}/sobjects/{name}/describe")
def describe(crm: SalesforceOrg, _: Request, _version: str, name: str) -> Response:
    """Describe an object as this user sees it: hidden fields are not there."""
    if not crm.exists(name):
        answers.refuse(404, "NOT_FOUND", "The requested resource does not exist")
    body: dict[str, Any] = {
        "name": name,
        "label": name,
        "keyPrefix": OBJECTS[name].prefix,
        "custom": False,
        "queryable": True,
        "mergeable": OBJECTS[name].mergeable,
        "fields": [field.to_json() for field in crm.fields(name).values()],
    }
    for right, needed in _NEEDED.items():
        body[right] = needed.get(name, "ApiEnabled") in crm.permissions
    return Response(200, body)
