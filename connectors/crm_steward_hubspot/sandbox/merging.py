"""Merging: what becomes of two records, their addresses, their consent and their tasks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from crm_steward_hubspot.sandbox import answers
from crm_steward_hubspot.sandbox.schema import STAGES
from crm_steward_hubspot.sandbox.values import iso, listed, milliseconds, mirror_optouts

if TYPE_CHECKING:
    from crm_steward_hubspot.sandbox.account import HubSpotAccount, Row

_IDENTITIES = 250


def merge(crm: HubSpotAccount, primary_id: str, other_id: str) -> Row:
    """Fold `other_id` into `primary_id`, both active and different, under a new id.

    Consent stays with each address: the survivor shows the flags of its primary one.

    Raises:
        Refusal: 414 beyond 250 identities.
    """
    primary, other = crm.tables["contacts"][primary_id], crm.tables["contacts"][other_id]
    absorbed = [*listed(primary, "hs_merged_object_ids"), *listed(other, "hs_merged_object_ids")]
    now = milliseconds(crm.now())
    new_id = primary_id if crm.preserve_primary_id else crm.new_id()
    absorbed += [i for i in (primary_id, other_id) if i != new_id]
    if len(absorbed) > _IDENTITIES:
        answers.refuse(414, "Cannot have more than 250 identities on a profile")
    properties = _values(primary, other, new_id, absorbed, now)
    mirror_optouts(properties, crm.tables["preferences"].get(properties.get("email", "")))
    row: Row = {
        "id": new_id,
        "properties": properties,
        "createdAt": min(primary["createdAt"], other["createdAt"]),
        "updatedAt": now,
        "archivedAt": None,
    }
    for old in (primary_id, other_id):
        crm.forget(old)
        if old != new_id:
            crm.tables["aliases"][old] = new_id
    _move_tasks(crm, (primary_id, other_id), new_id)
    crm.tables["truth"][new_id] = {**crm.tables["truth"].get(primary_id, {}), "merged": absorbed}
    return crm.keep(row)


def _move_tasks(crm: HubSpotAccount, old_ids: tuple[str, str], new_id: str) -> None:
    moved = [task for old in old_ids for task in crm.tasks_of.pop(old, [])]
    arrival = milliseconds(crm.now() + crm.merge_lag) if crm.merge_lag > timedelta(0) else 0
    for task_id in moved:
        task = crm.tables["tasks"][task_id]
        contacts = [new_id if c in old_ids else c for c in task["contacts"]]
        crm.tables["tasks"][task_id] = {
            **task, "contacts": list(dict.fromkeys(contacts)), "arrives": arrival,
        }  # fmt: skip
    if moved:
        crm.tasks_of[new_id] = list(dict.fromkeys(moved))


def _values(
    primary: Mapping[str, Any], other: Mapping[str, Any], new_id: str, absorbed: list[str], now: int
) -> dict[str, str]:
    """Return the survivor's values: primary wins, blanks are filled; e-mails add up; furthest stage; earliest creation."""
    mine, theirs = primary["properties"], other["properties"]
    emails = [*listed(primary, "hs_additional_emails"), *listed(other, "hs_additional_emails")]
    email = mine.get("email") or theirs.get("email", "")
    if theirs.get("email") and theirs["email"] != email:
        emails.append(theirs["email"])
    stages = [p["lifecyclestage"] for p in (mine, theirs) if p.get("lifecyclestage")]
    vids = [v for p in (mine, theirs) if (v := p.get("hs_calculated_merged_vids"))]
    values = {
        **theirs,
        **mine,
        "email": email,
        "hs_additional_emails": ";".join(dict.fromkeys(emails)),
        "lifecyclestage": max(stages, key=STAGES.index, default=""),
        "createdate": min(mine["createdate"], theirs["createdate"]),
        "lastmodifieddate": iso(now),
        "hs_object_id": new_id,
        "hs_merged_object_ids": ";".join(dict.fromkeys(absorbed)),
        # incomplete for chained merges, as clients have found: only the last step is kept
        "hs_calculated_merged_vids": ";".join([*vids[:1], f"{other['id']}:{now}"]),
    }
    return {name: value for name, value in values.items() if value}
