"""What a person does in HubSpot's own interface, as the control door and the tests ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crm_steward_hubspot.sandbox import credentials, preferences
from crm_steward_hubspot.sandbox.account import HubSpotAccount
from crm_steward_hubspot.sandbox.merging import merge
from crm_steward_hubspot.sandbox.values import milliseconds


def do(crm: HubSpotAccount, deed: Mapping[str, Any]) -> Any:
    """Do it.

    Raises:
        ValueError: There is no such deed or no such record.
    """
    act = _DEEDS.get(str(deed.get("do")))
    if act is None:
        raise ValueError(f"people here can {', '.join(_DEEDS)}")
    with crm.lock:
        return act(crm, **{name: value for name, value in deed.items() if name != "do"})


def _edit(crm: HubSpotAccount, id: str, values: dict[str, str]) -> Any:  # noqa: A002 -- the word the caller writes
    record_id = crm.resolve(id)
    _live(crm, record_id)
    return crm.render(crm.write(record_id, values), list(values))


def _create(crm: HubSpotAccount, values: dict[str, str]) -> Any:
    return crm.render(crm.create(values), list(values))


def _archive(crm: HubSpotAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    _live(crm, id)
    crm.archive(id)
    return {"id": id}


def _restore(crm: HubSpotAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    crm.restore(id)
    return {"id": id}


def _erase(crm: HubSpotAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    _live(crm, id)
    crm.forget(id)
    return {"id": id}


def _merge(crm: HubSpotAccount, primary: str, other: str) -> Any:
    _live(crm, primary)
    _live(crm, other)
    return {"id": merge(crm, primary, other)["id"]}


def _spoil(crm: HubSpotAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Let a record be answered with a list where its properties belong."""
    _live(crm, id)
    row = {**crm.tables["contacts"][id], "spoilt": True, "updatedAt": milliseconds(crm.now())}
    return {"id": crm.keep(row)["id"]}


def _close_task(crm: HubSpotAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Complete a task."""
    task = crm.tables["tasks"][id]
    properties = {**task["properties"], "hs_task_status": "COMPLETED"}
    crm.tables["tasks"][id] = {**task, "properties": properties}
    return {"id": id}


def _archive_task(crm: HubSpotAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Move a task to the bin."""
    task = crm.tables["tasks"][id]
    crm.tables["tasks"][id] = {**task, "archivedAt": milliseconds(crm.now())}
    return {"id": id}


def _withdraw(crm: HubSpotAccount, email: str, subscription: str = "") -> Any:
    if subscription:
        preferences.unsubscribe_one(crm, email, subscription)
    else:
        preferences.opt_out(crm, email)
    return {"email": email}


def _opt_in(crm: HubSpotAccount, email: str) -> Any:
    preferences.opt_in(crm, email)
    return {"email": email}


def _drop_field(crm: HubSpotAccount, name: str) -> Any:
    """Delete a property of the account's own, and with it its values."""
    definition = crm.definitions.get(name)
    if definition is None or definition.defined:
        raise ValueError(f"there is no property of the account's own named '{name}'")
    crm.tables["dropped"][name] = {}
    for row in list(crm.tables["contacts"].values()):
        if name in row["properties"]:
            kept = {key: value for key, value in row["properties"].items() if key != name}
            crm.keep({**row, "properties": kept})
    return {"name": name}


def _token(
    crm: HubSpotAccount,
    token: str,
    scopes: list[str] | None = None,
    expires_in: float | None = None,
) -> Any:
    expires = None if expires_in is None else milliseconds(crm.now()) + int(expires_in * 1000)
    granted = {"scopes": list(crm.scopes) if scopes is None else scopes, "expires": expires}
    crm.tables["tokens"][token] = granted
    return granted


def _expire(crm: HubSpotAccount) -> Any:
    return {"expired": len(credentials.expire(crm))}


def _revoke(crm: HubSpotAccount) -> Any:
    credentials.revoke(crm)
    return {}


def _live(crm: HubSpotAccount, record_id: str) -> None:
    row = crm.find(record_id)
    if row is None or row["archivedAt"] is not None:
        raise ValueError(f"there is no active record {record_id}")


_DEEDS: Mapping[str, Callable[..., Any]] = {
    "edit": _edit,
    "create": _create,
    "archive": _archive,
    "restore": _restore,
    "erase": _erase,
    "merge": _merge,
    "spoil": _spoil,
    "close_task": _close_task,
    "archive_task": _archive_task,
    "withdraw": _withdraw,
    "opt_in": _opt_in,
    "drop_field": _drop_field,
    "token": _token,
    "expire": _expire,
    "revoke": _revoke,
}
