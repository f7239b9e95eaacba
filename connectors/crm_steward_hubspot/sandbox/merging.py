"""What a merged record holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crm_steward_hubspot.sandbox.schema import STAGES
from crm_steward_hubspot.sandbox.values import iso


def listed(row: Mapping[str, Any], name: str) -> list[str]:
    """Return the items of a `;`-joined property."""
    return [item for item in row["properties"].get(name, "").split(";") if item]


def merged_values(
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
    optout = mine if mine.get("email") else theirs
    values["hs_email_optout"] = optout.get("hs_email_optout", "")
    return {name: value for name, value in values.items() if value}
