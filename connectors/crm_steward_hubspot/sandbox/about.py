"""What an account says about itself: owners, properties, details, usage."""

from __future__ import annotations

from typing import Any

from crm_steward.sandbox import Request, Response, Routes
from crm_steward_hubspot.sandbox import answers
from crm_steward_hubspot.sandbox.account import HubSpotAccount
from crm_steward_hubspot.sandbox.contacts import cursor, flag, whole
from crm_steward_hubspot.sandbox.schema import OWNERS
from crm_steward_hubspot.sandbox.values import iso, milliseconds

routes = Routes()


@routes.add(
    "GET",
    "/crm/v3/owners",
    query=("limit", "after", "archived", "email"),
    scopes=("crm.objects.owners.read",),
)
def owners(crm: HubSpotAccount, request: Request) -> Response:  # noqa: ARG001 -- every route has the same shape
    """Page through owners; archived ones are a list of their own."""
    limit = whole(request, "limit", default=100, most=500)
    after = cursor(request)
    wanted = [
        owner
        for owner in OWNERS
        if owner["archived"] == flag(request, "archived")
        and request.one("email", owner["email"]) == owner["email"]
    ]
    rest = [o for o in sorted(wanted, key=lambda o: int(o["id"])) if int(o["id"]) > after]
    body: dict[str, Any] = {"results": rest[:limit]}
    if len(rest) > limit:
        body["paging"] = {"next": {"after": rest[limit - 1]["id"]}}
    return Response(200, body)


@routes.add(
    "GET", "/crm/v3/owners/{owner_id}", query=("archived",), scopes=("crm.objects.owners.read",)
)
def owner(crm: HubSpotAccount, request: Request, owner_id: str) -> Response:  # noqa: ARG001 -- every route has the same shape
    """Read one owner by id."""
    found = [
        o for o in OWNERS if o["id"] == owner_id and o["archived"] == flag(request, "archived")
    ]
    return Response(200, found[0]) if found else answers.not_found(owner_id)


@routes.add(
    "GET", "/crm/v3/properties/contacts", query=("archived",), scopes=("crm.schemas.contacts.read",)
)
def properties(crm: HubSpotAccount, request: Request) -> Response:
    """Return every contact property in one answer."""
    if flag(request, "archived"):
        return Response(200, {"results": []})
    return Response(
        200, {"results": [definition.to_json() for definition in crm.definitions.values()]}
    )


@routes.add(
    "GET",
    "/crm/v3/properties/contacts/{name}",
    query=("archived",),
    scopes=("crm.schemas.contacts.read",),
)
def one_property(crm: HubSpotAccount, request: Request, name: str) -> Response:  # noqa: ARG001 -- every route has the same shape
    """Return one contact property."""
    if name not in crm.definitions:
        answers.not_found(name)
    return Response(200, crm.definitions[name].to_json())


@routes.add("GET", "/account-info/v3/details")
def details(crm: HubSpotAccount, request: Request) -> Response:  # noqa: ARG001 -- every route has the same shape
    """Return the account's id, time zone and home."""
    offset = crm.now().astimezone(crm.limits.zone).strftime("%z")
    return Response(
        200,
        {
            "portalId": crm.PORTAL,
            "accountType": "STANDARD",
            "timeZone": crm.limits.zone.key,
            "companyCurrency": "EUR",
            "additionalCurrencies": [],
            "utcOffset": f"{offset[:3]}:{offset[3:]}",
            "utcOffsetMilliseconds": (int(offset[:3]) * 60 + int(offset[3:])) * 60_000,
            "uiDomain": "app-eu1.hubspot.com",
            "dataHostingLocation": "eu1",
        },
    )


@routes.add("GET", "/account-info/v3/api-usage/daily/private-apps")
def usage(crm: HubSpotAccount, request: Request) -> Response:  # noqa: ARG001 -- every route has the same shape
    """Return how much of the daily quota all private apps have used."""
    now = crm.now()
    entry = {
        "name": "private-apps-api-calls-daily",
        "usageLimit": crm.limits.daily,
        "currentUsage": crm.limits.used_today,
        "collectedAt": iso(milliseconds(now)),
        "fetchStatus": "SUCCESS",
        "resetsAt": iso(milliseconds(crm.limits.resets_at(now))),
    }
    return Response(200, {"results": [entry]})
