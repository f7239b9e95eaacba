"""What an account says about itself: users, fields, activity types; and the tokens of OAuth."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

from crm_steward.sandbox import Request, Response, Routes
from crm_steward_pipedrive.sandbox import answers, schema
from crm_steward_pipedrive.sandbox.account import PipedriveAccount, Row
from crm_steward_pipedrive.sandbox.listing import whole
from crm_steward_pipedrive.sandbox.values import read_mark, write_mark

routes = Routes()


@routes.add("GET", "/v1/users", scopes=("users:read",), quota="20")
def users(_: PipedriveAccount, __: Request) -> Response:
    """Return all users, those who left included, in one answer."""
    return answers.ok([dict(user) for user in schema.USERS])


@routes.add("GET", "/v1/users/me", scopes=("base",), quota="2")
def me(_: PipedriveAccount, __: Request) -> Response:
    """Return the user whose token it is, and the company."""
    company = {f"company_{name}": value for name, value in schema.COMPANY.items()}
    return answers.ok({**schema.USERS[0], **company})


@routes.add("GET", "/v1/activityTypes", scopes=("activities:read",), quota="20")
def activity_types(crm: PipedriveAccount, _: Request) -> Response:
    """Return all activity types, those that were switched off included."""
    rows = enumerate(crm.tables["types"].values(), start=1)
    return answers.ok(
        [
            {"id": number, "name": row["key_string"].title(), "order_nr": number, **row}
            for number, row in rows
        ]
    )


@routes.add(
    "GET", "/v1/personFields", query=("start", "limit"), scopes=("contacts:read",), quota="20"
)
def person_fields_v1(crm: PipedriveAccount, _: Request) -> Response:
    """Return the person fields as version 1 names them."""
    rows = [
        {
            "id": number,
            "key": field["field_code"],
            "name": field["field_name"],
            "field_type": field["field_type"],
            "edit_flag": field["is_custom_field"],
            "mandatory_flag": field["field_code"] == "name",
            "options": field["options"],
        }
        for number, field in enumerate(crm.tables["fields"].values(), start=1)
    ]
    pages = {"start": 0, "limit": 500, "more_items_in_collection": False}
    return answers.ok(rows, more={"pagination": pages})


@routes.add(
    "GET", "/api/v2/personFields", query=("limit", "cursor"), scopes=("contacts:read",), quota="10"
)
def person_fields(crm: PipedriveAccount, request: Request) -> Response:
    """Page through the person fields."""
    limit = whole(request, "limit") if "limit" in request.query else 100
    content = read_mark(request.one("cursor")) if request.one("cursor") else {"at": 0}
    if content is None or not isinstance(content.get("at"), int):
        answers.invalid("Invalid cursor")
    fields, start = list(crm.tables["fields"].values()), content["at"]
    mark = write_mark({"at": start + limit}) if len(fields) > start + limit else None
    return answers.ok(fields[start : start + limit], more={"next_cursor": mark})


@routes.add("GET", "/api/v2/personFields/{field_code}", scopes=("contacts:read",), quota="1")
def person_field(crm: PipedriveAccount, _: Request, field_code: str) -> Response:
    """Return one person field."""
    if field_code not in crm.tables["fields"]:
        answers.not_found("Field")
    return answers.ok(crm.tables["fields"][field_code])


@routes.add("POST", "/oauth/token", quota="none")
def token(crm: PipedriveAccount, request: Request) -> Response:
    """Give a new access token for a refresh token, which is replaced and no longer taken."""
    if not _is_app(request):
        return _oauth_error(401, "invalid_client")
    form = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
    if form.get("grant_type") != "refresh_token":
        return _oauth_error(400, "unsupported_grant_type")
    used = form.get("refresh_token", "")
    if not crm.tables["refresh"].get(used, {}).get("live"):
        return _oauth_error(400, "invalid_grant")
    crm.tables["refresh"][used] = {"live": False}
    issued: Row = crm.issue()
    host = request.headers.get("host", "127.0.0.1")
    about: dict[str, Any] = {
        "token_type": "Bearer",
        "scope": " ".join(crm.scopes),
        "api_domain": crm.api_domain or f"http://{host}",
    }
    return Response(200, {**issued, **about})


def _is_app(request: Request) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        held = base64.b64decode(given).decode()
    except ValueError:
        return False
    return scheme.lower() == "basic" and held == ":".join(PipedriveAccount.CLIENT)


def _oauth_error(status: int, name: str) -> Response:
    return Response(status, {"success": False, "error": name, "message": name})
