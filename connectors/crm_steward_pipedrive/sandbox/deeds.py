"""What people do in Pipedrive's own interface, behind the API's back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crm_steward_pipedrive.sandbox import schema
from crm_steward_pipedrive.sandbox.account import PipedriveAccount, Row
from crm_steward_pipedrive.sandbox.naming import joined
from crm_steward_pipedrive.sandbox.values import seconds

_PLAIN = (
    "owner_id",
    "org_id",
    "emails",
    "phones",
    "label_ids",
    "visible_to",
    "mail_in",
    "mail_out",
)


def _person(crm: PipedriveAccount, person_id: str | int) -> Row:
    row = crm.find(person_id)
    if row is None or row["deleted"] is not None:
        raise ValueError(f"there is no active person {person_id}")
    return row


def _edited(crm: PipedriveAccount, row: Row, name: str, value: Any) -> Row:
    if name == "name":
        return crm.named(row, str(value))
    if name in {"first_name", "last_name"}:
        row = {**row, name: value or None}
        return {**row, "name": joined(row["first_name"], row["last_name"])}
    if name in {"email", "phone"}:
        return {**row, f"{name}s": _with_primary(row[f"{name}s"], value)}
    if name in schema.CONTACT_SYNC:
        return {**row, "sync": {**row["sync"], name: value or None}}
    if name in _PLAIN:
        return {**row, name: value}
    codes = [
        code
        for code, field in crm.tables["fields"].items()
        if field["is_custom_field"] and name in {code, field["field_name"]}
    ]
    if not codes:
        raise ValueError(f"persons have no field {name!r}")
    return {**row, "custom": {**row["custom"], codes[0]: value}}


def _with_primary(entries: list[dict[str, Any]], value: str) -> list[dict[str, Any]]:
    others = [entry for entry in entries if not entry["primary"]]
    return [{"value": value, "primary": True, "label": "work"}, *others] if value else others


def edit(crm: PipedriveAccount, id: str, values: dict[str, Any]) -> Any:  # noqa: A002 -- the word the caller writes
    """Set fields of a person: `first_name`, `email` (the primary one), a custom field's name, …."""
    row = _person(crm, id)
    for name, value in values.items():
        row = _edited(crm, row, name, value)
    return crm.keep(row)


def create(crm: PipedriveAccount, values: dict[str, Any]) -> Any:
    """Make a person; without a name it is called Somebody."""
    row = crm.create(str(values.get("name") or "Somebody"))
    rest = {name: value for name, value in values.items() if name != "name"}
    return edit(crm, str(row["id"]), rest)


def delete(crm: PipedriveAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Delete a person; it lies in the bin for 30 days."""
    _person(crm, id)
    crm.delete(id)
    return {"id": id}


def restore(crm: PipedriveAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Bring a deleted person back."""
    row = crm.find(id)
    if row is None or row["deleted"] is None or id in crm.tables["merged"]:
        raise ValueError(f"person {id} is not in the bin")
    return crm.keep({**row, "deleted": None})


def merge(crm: PipedriveAccount, survivor: str, loser: str) -> Any:
    """Merge `loser` into `survivor`."""
    _person(crm, survivor)
    _person(crm, loser)
    return crm.merge(int(loser), int(survivor))


def opt_in(crm: PipedriveAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Subscribe a person, whatever was before: they said so."""
    return crm.keep({**_person(crm, id), "marketing_status": "subscribed"})


def opt_out(crm: PipedriveAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Let a person unsubscribe."""
    return crm.keep({**_person(crm, id), "marketing_status": "unsubscribed"})


def done(crm: PipedriveAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Tick an activity off."""
    row = crm.tables["activities"][id]
    now = seconds(crm.now())
    return crm.keep_activity({**row, "done": True, "marked_as_done_time": now, "update_time": now})


def drop_activity(crm: PipedriveAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Delete an activity."""
    return crm.keep_activity({**crm.tables["activities"][id], "deleted": seconds(crm.now())})


def token(
    crm: PipedriveAccount,
    token: str,
    scopes: list[str] | None = None,
    expires_in: float | None = None,
) -> Any:
    """Make an access token."""
    expires = None if expires_in is None else seconds(crm.now()) + int(expires_in)
    crm.tables["tokens"][token] = {"scopes": scopes, "expires": expires}
    return crm.tables["tokens"][token]


def revoke(crm: PipedriveAccount) -> Any:
    """Withdraw every token and every refresh token."""
    for name in ("tokens", "refresh"):
        for key in list(crm.tables[name]):
            del crm.tables[name][key]
    return {}


def expire(crm: PipedriveAccount) -> Any:
    """Let every access token of OAuth expire now."""
    for key, granted in list(crm.tables["tokens"].items()):
        if granted["expires"] is not None:
            crm.expire(key)
    return {}


def drop_field(crm: PipedriveAccount, name: str) -> Any:
    """Delete a custom field, by name or code."""
    for code, field in list(crm.tables["fields"].items()):
        if field["is_custom_field"] and name in {code, field["field_name"]}:
            del crm.tables["fields"][code]
            return {"field_code": code}
    raise ValueError(f"persons have no field {name!r}")


def drop_type(crm: PipedriveAccount, key: str) -> Any:
    """Switch an activity type off."""
    crm.tables["types"][key] = {"key_string": key, "active_flag": False}
    return crm.tables["types"][key]


def rename_company(crm: PipedriveAccount, id: str, name: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Rename an organisation; its persons' update times do not move."""
    row = crm.tables["organizations"][id]
    crm.tables["organizations"][id] = {**row, "name": name, "update_time": seconds(crm.now())}
    return crm.tables["organizations"][id]


def spoil(crm: PipedriveAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Store a person so that it can no longer be read: wrong types where others are expected."""
    return crm.keep({**_person(crm, id), "spoiled": True})


def stamp_all(crm: PipedriveAccount) -> Any:
    """Give every person one and the same update time, as a bulk import does."""
    for person_id in crm.ids:
        row = crm.find(person_id)
        if row is not None and row["deleted"] is None:
            crm.keep(row)
    return {}


DEEDS: Mapping[str, Callable[..., Any]] = {
    deed.__name__: deed
    for deed in (
        edit, create, delete, restore, merge, opt_in, opt_out, done, drop_activity, token, revoke,
        expire, drop_field, drop_type, rename_company, spoil, stamp_all,
    )
}  # fmt: skip
