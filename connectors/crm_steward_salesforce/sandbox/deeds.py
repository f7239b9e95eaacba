"""What people do in the org's own interface, and what happens to credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crm_steward_salesforce.sandbox.merging import merge
from crm_steward_salesforce.sandbox.org import Row, SalesforceOrg
from crm_steward_salesforce.sandbox.schema import OBJECTS
from crm_steward_salesforce.sandbox.values import full_id, stamp


def edit(crm: SalesforceOrg, id: str, values: dict[str, Any], object: str = "Contact") -> Any:  # noqa: A002 -- the words the caller writes
    """Set fields of a record, whatever they hold and however long."""
    _live(crm, id, object)
    crm.later(object, id, values)
    return {"id": full_id(id)}


def create(crm: SalesforceOrg, values: dict[str, Any], object: str = "Contact") -> Any:  # noqa: A002 -- the words the caller writes
    """Make a record; with `commit_lag` it is stamped now and seen later."""
    row = crm.create(object, values)
    if crm.commit_lag:
        del crm.tables[object][row["Id"]]
        crm.later(object, row["Id"], row)
    return {"id": row["Id"]}


def delete(crm: SalesforceOrg, id: str, object: str = "Contact") -> Any:  # noqa: A002 -- the words the caller writes
    """Move a record to the recycle bin."""
    _live(crm, id, object)
    crm.later(object, id, {"IsDeleted": True})
    return {"id": full_id(id)}


def restore(crm: SalesforceOrg, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Undelete a contact; one that was merged away comes back without its children."""
    row = crm.find("Contact", id)
    if row is None or not row["IsDeleted"]:
        raise ValueError(f"{id} is not in the recycle bin")
    crm.later("Contact", id, {"IsDeleted": False, "MasterRecordId": None})
    return {"id": full_id(id)}


def erase(crm: SalesforceOrg, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Delete a contact for good: no query shows it again."""
    if crm.find("Contact", id) is None:
        raise ValueError(f"there is no record {id}")
    del crm.tables["Contact"][full_id(id)]
    return {"id": full_id(id)}


def merged(crm: SalesforceOrg, master: str, losers: list[str]) -> Any:
    """Merge one or two contacts into a master."""
    for record_id in (master, *losers):
        _live(crm, record_id)
    row, _ = merge(crm, master, {}, losers)
    return {"id": row["Id"]}


def opt_out(crm: SalesforceOrg, id: str, field: str = "HasOptedOutOfEmail") -> Any:  # noqa: A002 -- the words the caller writes
    """Tick *Email Opt Out*, or another of the contact's switches."""
    return edit(crm, id, {field: True})


def opt_in(crm: SalesforceOrg, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Untick *Email Opt Out*, and record that the person opted in by e-mail."""
    row = _live(crm, id)
    crm.later("Contact", id, {"HasOptedOutOfEmail": False})
    if not crm.privacy:
        return {"id": full_id(id)}
    party = row["IndividualId"]
    if party is None:
        party = crm.create("Individual", {"LastName": row["LastName"]})["Id"]
        crm.later("Contact", id, {"IndividualId": party})
    for held in crm.live("ContactPointTypeConsent"):
        if held["PartyId"] == party:
            crm.write("ContactPointTypeConsent", held["Id"], {"IsDeleted": True})
    now = stamp(crm.now())
    given = {"EffectiveFrom": now, "CaptureDate": now, "CaptureSource": "newsletter form"}
    return consent(crm, id, "Email", "OptIn", **given, party=party)


def consent(
    crm: SalesforceOrg,
    id: str,  # noqa: A002 -- the word the caller writes
    type: str,  # noqa: A002 -- the word the caller writes
    status: str,
    party: str = "",
    **more: Any,
) -> Any:
    """Record what a person said about one channel (`ContactPointTypeConsent`)."""
    party = party or _live(crm, id)["IndividualId"] or ""
    if not party:
        raise ValueError(f"the contact {id} has no Individual")
    said = {"PartyId": party, "ContactPointType": type, "PrivacyConsentStatus": status}
    row = crm.create("ContactPointTypeConsent", {"Name": "Marketing", **said, **more})
    return {"id": row["Id"]}


def deactivate(crm: SalesforceOrg, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Freeze a user who has left."""
    crm.write("User", id, {"IsActive": False})
    return {"id": full_id(id)}


def hide(crm: SalesforceOrg, fields: list[str]) -> Any:
    """Hide fields (`Contact.Email`) from our user by field-level security."""
    crm.hide({*crm.hidden, *fields})
    return {"hidden": sorted(crm.hidden)}


def drop_field(crm: SalesforceOrg, field: str) -> Any:
    """Delete a custom field of contacts."""
    if not field.endswith("__c") or field not in OBJECTS["Contact"].fields:
        raise ValueError(f"there is no custom field {field}")
    return hide(crm, [f"Contact.{field}"])


def permit(crm: SalesforceOrg, permissions: list[str]) -> Any:
    """Say what our user may do from now on."""
    crm.permissions = set(permissions)
    return {"permissions": sorted(crm.permissions)}


def lock(crm: SalesforceOrg, id: str, times: int = 1) -> Any:  # noqa: A002 -- the word the caller writes
    """Let the next writes to a record find it locked by somebody else's transaction."""
    crm.locked[full_id(id)] = times
    return {"id": full_id(id)}


def spoil(crm: SalesforceOrg, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    """Let a stored value be of a type that no contact has."""
    row = _live(crm, id)
    crm.tables["Contact"][row["Id"]] = {**row, "LastName": {"unexpected": [1]}}
    return {"id": row["Id"]}


def token(crm: SalesforceOrg, token: str, expires_in: float | None = None) -> Any:
    """Open a session under an access token of one's choice, for so many seconds."""
    expires = None if expires_in is None else crm.now().timestamp() + expires_in
    crm.tables["tokens"][token] = {"expires": expires, "refresh": ""}
    return {"token": token}


def expire(crm: SalesforceOrg) -> Any:
    """Let every session end now; new ones can be opened."""
    for token in list(crm.tables["tokens"]):
        crm.end_session(token)
    return {"ended": len(crm.tables["tokens"])}


def revoke(crm: SalesforceOrg) -> Any:
    """Withdraw the app and everything it was given, for good."""
    crm.tables["org"]["app"] = {"works": False}
    crm.tables["org"]["refresh"] = {**crm.tables["org"]["refresh"], "works": False}
    return expire(crm)


def stamp_all(crm: SalesforceOrg) -> Any:
    """Let a bulk import touch every contact within one second."""
    for row in crm.live("Contact"):
        crm.write("Contact", row["Id"], {})
    return {"stamped": len(crm.live("Contact"))}


def _live(crm: SalesforceOrg, record_id: str, name: str = "Contact") -> Row:
    row = crm.find(name, record_id)
    if row is None or row["IsDeleted"]:
        raise ValueError(f"there is no active record {record_id}")
    return row


DEEDS: Mapping[str, Callable[..., Any]] = {
    "edit": edit,
    "create": create,
    "delete": delete,
    "restore": restore,
    "erase": erase,
    "merge": merged,
    "opt_out": opt_out,
    "opt_in": opt_in,
    "consent": consent,
    "deactivate": deactivate,
    "hide": hide,
    "drop_field": drop_field,
    "permit": permit,
    "lock": lock,
    "spoil": spoil,
    "token": token,
    "expire": expire,
    "revoke": revoke,
    "stamp_all": stamp_all,
}
