"""What an organisation says about itself: its details, users and fields."""

from __future__ import annotations

from crm_steward.sandbox import Request, Response, Routes
from crm_steward_zoho.sandbox import answers
from crm_steward_zoho.sandbox.account import ZohoAccount
from crm_steward_zoho.sandbox.listing import whole
from crm_steward_zoho.sandbox.schema import USERS

routes = Routes()
_STATUSES = {
    "ActiveUsers": ("active",),
    "ActiveConfirmedUsers": ("active",),
    "DeactiveUsers": ("disabled",),
    "DeletedUsers": ("deleted",),
}


@routes.add("GET", "/crm/v8/org", scopes=("ZohoCRM.org.READ",), quota="call")
def org(crm: ZohoAccount, _: Request) -> Response:
    """Return the organisation's name, time zone, and whether GDPR compliance is on."""
    details = {
        "id": crm.ORG,
        "zgid": crm.ZGID,
        "company_name": "Emulated Trading",
        "country_code": "FR",
        "time_zone": crm.zone.key,
        "iso_code": "EUR",
        "privacy_settings": crm.privacy,
        "license_details": {"paid": True, "paid_type": "standard"},
    }
    return Response(200, {"org": [details]})


@routes.add(
    "GET",
    "/crm/v8/users",
    query=("type", "page", "per_page"),
    scopes=("ZohoCRM.users.READ",),
    quota="call",
)
def users(_: ZohoAccount, request: Request) -> Response:
    """Page through users of one kind; none is 204."""
    kind = request.one("type", "ActiveUsers")
    if kind == "CurrentUser":
        return Response(200, {"users": [USERS[0]]})
    if kind not in _STATUSES:
        answers.invalid(param_name="type")
    found = [user for user in USERS if user["status"] in _STATUSES[kind]]
    size = whole(request, "per_page", default=200, most=200)
    page = whole(request, "page", default=1, most=1_000)
    shown = found[(page - 1) * size : page * size]
    if not shown:
        return Response(204)
    info = {
        "per_page": size, "count": len(shown), "page": page,
        "more_records": page * size < len(found),
    }  # fmt: skip
    return Response(200, {"users": shown, "info": info})


@routes.add(
    "GET",
    "/crm/v8/settings/fields",
    query=("module",),
    scopes=("ZohoCRM.settings.fields.READ",),
    quota="call",
)
def fields(crm: ZohoAccount, request: Request) -> Response:
    """Return every field of the Contacts module in one answer."""
    if request.one("module") != "Contacts":
        answers.refuse(
            400, "INVALID_MODULE", "the module name given seems to be invalid", param_name="module"
        )
    unique = crm.unique_email
    listed = [f.to_json(unique=unique and f.name == "Email") for f in crm.fields.values()]
    return Response(200, {"fields": listed})
