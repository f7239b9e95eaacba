"""Communication preferences: consent by e-mail address, whatever happens to the contact.

v3 as HubSpot's library wraps it; of v4 only what restricts or reads. A person who opted out is
never subscribed again by a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crm_steward.sandbox import Request, Response, Routes
from crm_steward_hubspot.sandbox import answers
from crm_steward_hubspot.sandbox.account import HubSpotAccount
from crm_steward_hubspot.sandbox.values import iso, milliseconds

routes = Routes()
_READ = ("communication_preferences.read",)
_WRITE = ("communication_preferences.read_write",)
_V3 = "/communication-preferences/v3"
_V4 = "/communication-preferences/v4"
_BASES = frozenset(
    {
        "LEGITIMATE_INTEREST_PQL",
        "LEGITIMATE_INTEREST_CLIENT",
        "LEGITIMATE_INTEREST_OTHER",
        "PERFORMANCE_OF_CONTRACT",
        "CONSENT_WITH_NOTICE",
        "NON_GDPR",
        "PROCESS_AND_STORE",
    }
)
_DEFINITIONS: Mapping[str, Mapping[str, Any]] = {
    key: {
        "id": key,
        "name": name,
        "description": about,
        "purpose": "Marketing",
        "communicationMethod": "Email",
        "isActive": True,
        "isDefault": key == "1",
        "isInternal": False,
        "businessUnitId": 0,
        "createdAt": "2021-03-01T08:00:00.000Z",
        "updatedAt": "2021-03-01T08:00:00.000Z",
    }
    for key, name, about in (
        ("1", "Marketing information", "Offers and news by e-mail"),
        ("2", "Product news", "What changes in the product"),
    )
}
_NOTHING: Mapping[str, Any] = {"optout": None, "subscriptions": {}}


def held(crm: HubSpotAccount, email: str) -> Mapping[str, Any]:
    """Return what is known about an address; nothing for one never seen."""
    preference: Mapping[str, Any] = crm.tables["preferences"].get(email.casefold(), _NOTHING)
    return preference


def opt_out(crm: HubSpotAccount, email: str) -> None:
    """Unsubscribe an address from all e-mail; contacts holding it show it at once."""
    address = email.casefold()
    now = milliseconds(crm.now())
    crm.tables["preferences"][address] = {**held(crm, address), "optout": now}
    holder = crm.holder(address)
    if holder and crm.tables["contacts"][holder]["properties"].get("email") == address:
        crm.write(holder, {"hs_email_optout": "true"})


@routes.add("GET", f"{_V3}/definitions", scopes=_READ)
def definitions(crm: HubSpotAccount, request: Request) -> Response:  # noqa: ARG001 -- every route has the same shape
    """Return the kinds of e-mail one can subscribe to."""
    return Response(200, {"subscriptionDefinitions": list(_DEFINITIONS.values())})


@routes.add("GET", f"{_V3}/status/email/{{email}}", scopes=_READ)
def status(crm: HubSpotAccount, request: Request, email: str) -> Response:  # noqa: ARG001 -- every route has the same shape
    """Return one status per definition; never asked and opted out read the same here."""
    statuses = [_status(key, held(crm, email)) for key in _DEFINITIONS]
    return Response(200, {"recipient": email, "subscriptionStatuses": statuses})


@routes.add(
    "POST",
    f"{_V3}/unsubscribe",
    body=("emailAddress", "subscriptionId", "legalBasis", "legalBasisExplanation"),
    scopes=_WRITE,
)
def unsubscribe(crm: HubSpotAccount, request: Request) -> Response:
    """Unsubscribe an address from one kind of e-mail."""
    return _set(crm, request, "NOT_SUBSCRIBED")


@routes.add(
    "POST",
    f"{_V3}/subscribe",
    body=("emailAddress", "subscriptionId", "legalBasis", "legalBasisExplanation"),
    scopes=_WRITE,
)
def subscribe(crm: HubSpotAccount, request: Request) -> Response:
    """Subscribe an address, unless it has said no before."""
    email = str(request.json.get("emailAddress", ""))
    before = held(crm, email)
    said_no = before["subscriptions"].get(str(request.json.get("subscriptionId", "")), {})
    if before["optout"] is not None or said_no.get("status") == "NOT_SUBSCRIBED":
        answers.invalid(f"{email} has unsubscribed and cannot be subscribed by the API")
    return _set(crm, request, "SUBSCRIBED")


@routes.add("GET", f"{_V4}/statuses/{{email}}/unsubscribe-all", query=("channel",), scopes=_READ)
def opted_out(crm: HubSpotAccount, request: Request, email: str) -> Response:
    """Tell whether an address is unsubscribed from everything: no results when it is not."""
    _email_channel(request)
    return Response(200, {"results": _wide(email, held(crm, email))})


@routes.add(
    "POST",
    f"{_V4}/statuses/{{email}}/unsubscribe-all",
    query=("channel",),
    scopes=("communication_preferences.read_write",),
)
def opt_out_of_all(crm: HubSpotAccount, request: Request, email: str) -> Response:
    """Unsubscribe an address from all e-mail."""
    _email_channel(request)
    opt_out(crm, email)
    return Response(200, {"results": _wide(email, held(crm, email))})


def _email_channel(request: Request) -> None:
    if request.one("channel") != "EMAIL":
        answers.invalid("channel must be EMAIL")


def _wide(email: str, preference: Mapping[str, Any]) -> list[dict[str, Any]]:
    if preference["optout"] is None:
        return []
    return [
        {
            "channel": "EMAIL",
            "subscriberIdString": email,
            "wideStatusType": "PORTAL_WIDE",
            "status": "UNSUBSCRIBED",
            "timestamp": iso(preference["optout"]),
        }
    ]


def _set(crm: HubSpotAccount, request: Request, wanted: str) -> Response:
    content = request.json
    email, key = str(content.get("emailAddress", "")), str(content.get("subscriptionId", ""))
    if key not in _DEFINITIONS:
        answers.invalid(f"There is no subscription with id {key}")
    basis = content.get("legalBasis")
    if basis not in _BASES:
        answers.invalid("legalBasis is required in accounts with data privacy settings")
    subscription = {
        "status": wanted,
        "legalBasis": basis,
        "legalBasisExplanation": content.get("legalBasisExplanation"),
        "at": milliseconds(crm.now()),
    }
    before = held(crm, email)
    crm.tables["preferences"][email.casefold()] = {
        **before,
        "subscriptions": {**before["subscriptions"], key: subscription},
    }
    return Response(200, _status(key, held(crm, email)))


def _status(key: str, preference: Mapping[str, Any]) -> dict[str, Any]:
    definition = _DEFINITIONS[key]
    subscription = preference["subscriptions"].get(key, {})
    out = preference["optout"] is not None
    return {
        "id": key,
        "name": definition["name"],
        "description": definition["description"],
        "status": "NOT_SUBSCRIBED" if out else subscription.get("status", "NOT_SUBSCRIBED"),
        "sourceOfStatus": "PORTAL_WIDE_STATUS" if out else "SUBSCRIPTION_STATUS",
        "brandId": None,
        "preferenceGroupName": None,
        "legalBasis": subscription.get("legalBasis"),
        "legalBasisExplanation": subscription.get("legalBasisExplanation"),
    }
