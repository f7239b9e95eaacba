"""Communication preferences: consent by e-mail address, whatever happens to the contact.

v3 as HubSpot's library wraps it; of version 4 and its date-based twin only what restricts or
reads. A person who opted out is never subscribed again by a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crm_steward.sandbox import Request, Response, Routes
from crm_steward_hubspot.sandbox import answers
from crm_steward_hubspot.sandbox.account import HubSpotAccount
from crm_steward_hubspot.sandbox.contacts import flag
from crm_steward_hubspot.sandbox.schema import SUBSCRIPTIONS
from crm_steward_hubspot.sandbox.values import iso, milliseconds, mirror_optouts

routes = Routes()
_READ = ("communication_preferences.read|communication_preferences.read_write",)
_WRITE = ("communication_preferences.write|communication_preferences.read_write",)
_WRITE_ALL = ("communication_preferences.read_write",)
_V3 = "/communication-preferences/v3"
_WIDE = ("/communication-preferences/v4/statuses", "/communication-preferences/2026-03/statuses")
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
    for key, (name, about) in SUBSCRIPTIONS.items()
}
_NOTHING: Mapping[str, Any] = {"optout": None, "subscriptions": {}}


def held(crm: HubSpotAccount, email: str) -> Mapping[str, Any]:
    """Return what is known about an address; nothing for one never seen."""
    preference: Mapping[str, Any] = crm.tables["preferences"].get(email.casefold(), _NOTHING)
    return preference


def opt_out(crm: HubSpotAccount, email: str) -> None:
    """Unsubscribe an address from all e-mail; the contact whose primary it is shows it at once."""
    _keep(crm, email, {**held(crm, email), "optout": milliseconds(crm.now())})


def opt_in(crm: HubSpotAccount, email: str) -> None:
    """Subscribe an address again, as only its owner can."""
    basis = "CONSENT_WITH_NOTICE"
    said = _said(crm, "SUBSCRIBED", basis, "the person signed up again")
    _keep(crm, email, {"optout": None, "subscriptions": dict.fromkeys(SUBSCRIPTIONS, said)})


def unsubscribe_one(crm: HubSpotAccount, email: str, key: str) -> None:
    """Unsubscribe an address from one kind of e-mail."""
    _say(crm, email, key, _said(crm, "NOT_SUBSCRIBED", None, None))


def _said(
    crm: HubSpotAccount, status: str, basis: str | None, explanation: str | None
) -> dict[str, Any]:
    return {
        "status": status,
        "legalBasis": basis,
        "legalBasisExplanation": explanation,
        "at": milliseconds(crm.now()),
    }


def _say(crm: HubSpotAccount, email: str, key: str, said: Mapping[str, Any]) -> None:
    before = held(crm, email)
    subscriptions = {**before["subscriptions"], key: said}
    _keep(crm, email, {**before, "subscriptions": subscriptions})


def _keep(crm: HubSpotAccount, email: str, preference: Mapping[str, Any]) -> None:
    address = email.casefold()
    crm.tables["preferences"][address] = preference
    holder = crm.holder(address)
    row = crm.tables["contacts"][holder] if holder else None
    if row is None or row["properties"].get("email") != address:
        return
    now = milliseconds(crm.now())
    properties = {**row["properties"], "lastmodifieddate": iso(now)}
    mirror_optouts(properties, preference)
    crm.keep({**row, "properties": properties, "updatedAt": now})


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


def opted_out(crm: HubSpotAccount, request: Request, email: str) -> Response:
    """Tell whether an address is unsubscribed from everything: no results when it is not."""
    _email_channel(request)
    return _done(crm, _wide(email, held(crm, email)))


def opt_out_of_all(crm: HubSpotAccount, request: Request, email: str) -> Response:
    """Unsubscribe an address from all e-mail; only with `verbose` the answer says so."""
    _email_channel(request)
    if request.meddling is None or not request.meddling.no_op:
        opt_out(crm, email)
    return _done(crm, _by_type(email, held(crm, email)) if flag(request, "verbose") else [])


for _version in _WIDE:
    _path = f"{_version}/{{email}}/unsubscribe-all"
    routes.add("GET", _path, query=("channel", "verbose"), scopes=_READ)(opted_out)
    routes.add("POST", _path, query=("channel", "verbose"), scopes=_WRITE_ALL)(opt_out_of_all)


def _done(crm: HubSpotAccount, results: list[dict[str, Any]]) -> Response:
    now = iso(milliseconds(crm.now()))
    body = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    return Response(200, body)


def _by_type(email: str, preference: Mapping[str, Any]) -> list[dict[str, Any]]:
    if preference["optout"] is None:
        return []
    return [
        {
            "channel": "EMAIL",
            "subscriberIdString": email,
            "subscriptionId": int(key),
            "subscriptionName": name,
            "source": "UNSUBSCRIBE_FROM_ALL",
            "status": "UNSUBSCRIBED",
            "setStatusSuccessReason": "UNSUBSCRIBE_FROM_ALL_OCCURRED",
            "timestamp": iso(preference["optout"]),
        }
        for key, (name, _) in SUBSCRIPTIONS.items()
    ]


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
    basis, explanation = content.get("legalBasis"), content.get("legalBasisExplanation")
    if basis is not None and basis not in _BASES:
        answers.invalid(f"{basis} is not a legal basis")
    if crm.gdpr and not (basis and explanation):
        answers.invalid(
            "legalBasis and legalBasisExplanation are required in accounts with data privacy settings"
        )
    if request.meddling is None or not request.meddling.no_op:
        _say(crm, email, key, _said(crm, wanted, basis, explanation))
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
