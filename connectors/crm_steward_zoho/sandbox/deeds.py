"""What people do in Zoho's own interface, behind the back of every integration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crm_steward_zoho.sandbox.account import Row, ZohoAccount
from crm_steward_zoho.sandbox.values import stamp


def _edit(crm: ZohoAccount, id: str, values: dict[str, Any]) -> Any:  # noqa: A002 -- the word the caller writes
    """Set values, read-only fields too."""
    row = crm.write(_live(crm, id), values)
    return crm.render(row, [name for name in values if name in crm.fields])


def _create(crm: ZohoAccount, values: dict[str, Any]) -> Any:
    return {"id": crm.create(values)["id"]}


def _delete(crm: ZohoAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    crm.delete(_live(crm, id))
    return {"id": id}


def _restore(crm: ZohoAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    crm.restore(id)
    return {"id": id}


def _erase(crm: ZohoAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Delete for good: only the id and the time remain."""
    row = crm.tables["contacts"].get(id)
    if row is None:
        raise ValueError(f"there is no record {id}")
    crm.delete(row)
    gone = crm.tables["contacts"][id]
    crm.keep({**gone, "values": {}, "deleted": {**gone["deleted"], "type": "permanent"}})
    return {"id": id}


def _merge(
    crm: ZohoAccount,
    master: str,
    children: Sequence[str],
    fields: Mapping[str, Sequence[str]] | None = None,
) -> Any:
    """Merge by Find and Merge Duplicates; `fields`: child → fields taken from it."""
    for child in children:
        _live(crm, child)
    taken = fields or {}
    crm.merge(_live(crm, master), {child: list(taken.get(child, ())) for child in children})
    return {"id": master}


def _opt_out(crm: ZohoAccount, id: str, mode: str = "Unsubscribe link") -> Any:  # noqa: A002 -- the word the caller writes
    row = crm.write(_live(crm, id), {"Email_Opt_Out": True})
    when = stamp(crm.seconds(), crm.zone)
    values = {**row["values"], "Unsubscribed_Mode": mode, "Unsubscribed_Time": when}
    crm.keep({**row, "values": values})
    return {"id": id}


def _opt_in(crm: ZohoAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    values: dict[str, Any] = {"Email_Opt_Out": False}
    if crm.privacy:
        values |= {
            "Data_Processing_Basis": "Consent - Obtained",
            "Data_Processing_Basis_Details": {
                "Data_Processing_Basis": "Obtained",
                "Consent_Date": crm.now().date().isoformat(),
                "Consent_Through": "Web form",
                "Contact_Through_Email": True,
                "Contact_Through_Phone": True,
                "Contact_Through_Survey": False,
                "Contact_Through_Social": False,
            },
        }
    crm.write(_live(crm, id), values)
    return {"id": id}


def _lock(crm: ZohoAccount, id: str, locked: bool = True) -> Any:  # noqa: A002, FBT001, FBT002 -- a JSON deed's words
    crm.keep({**_live(crm, id), "locked": locked})
    return {"id": id}


def _close_task(crm: ZohoAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    task = crm.tables["tasks"].get(id)
    if task is None:
        raise ValueError(f"there is no task {id}")
    crm.keep_task({**task, "values": {**task["values"], "Status": "Completed"}})
    return {"id": id}


def _drop_task(crm: ZohoAccount, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Delete a task for good."""
    if id not in crm.tables["tasks"]:
        raise ValueError(f"there is no task {id}")
    del crm.tables["tasks"][id]
    crm.index["tasks"].note(crm.now(), id, None)
    return {"id": id}


def _grant(
    crm: ZohoAccount, code: str, scopes: list[str] | None = None, expires_in: int = 600
) -> Any:
    """Generate a code in the API console's self client."""
    granted = list(crm.scopes) if scopes is None else scopes
    crm.tables["codes"][code] = {"scopes": granted, "expires": crm.seconds() + expires_in}
    return {"code": code}


def _scopes(crm: ZohoAccount, scopes: list[str]) -> Any:
    """Make the account's refresh token again, with these scopes."""
    crm.tables["refresh_tokens"][crm.refresh_token] = {"scopes": scopes, "minted": []}
    for name, held in list(crm.tables["tokens"].items()):
        crm.tables["tokens"][name] = {**held, "scopes": scopes}
    return {"scopes": scopes}


def _expire(crm: ZohoAccount) -> Any:
    crm.expire_all()
    return {}


def _revoke(crm: ZohoAccount) -> Any:
    crm.revoke(crm.refresh_token)
    return {}


def _drop_field(crm: ZohoAccount, name: str) -> Any:
    if name not in crm.fields or not crm.fields[name].custom:
        raise ValueError(f"there is no custom field {name}")
    dropped = [*crm.tables["settings"]["dropped"], name]
    crm.tables["settings"]["dropped"] = dropped
    return {"dropped": dropped}


def _privacy(crm: ZohoAccount, on: bool) -> Any:  # noqa: FBT001 -- a JSON deed's word
    crm.tables["settings"]["privacy"] = on
    return {"privacy": on}


def _live(crm: ZohoAccount, record_id: str) -> Row:
    row = crm.find(record_id)
    if row is None:
        raise ValueError(f"there is no active record {record_id}")
    return row


DEEDS: Mapping[str, Callable[..., Any]] = {
    "edit": _edit,
    "create": _create,
    "delete": _delete,
    "restore": _restore,
    "erase": _erase,
    "merge": _merge,
    "opt_out": _opt_out,
    "opt_in": _opt_in,
    "lock": _lock,
    "close_task": _close_task,
    "drop_task": _drop_task,
    "grant": _grant,
    "scopes": _scopes,
    "expire": _expire,
    "revoke": _revoke,
    "drop_field": _drop_field,
    "privacy": _privacy,
}
"""What a person can do, by the word of a by-hand request."""
