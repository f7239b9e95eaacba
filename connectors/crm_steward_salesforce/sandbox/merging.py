"""Merging contacts: the master keeps its values, the losers' are not copied, children move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crm_steward_salesforce.sandbox.checks import RowError, checked
from crm_steward_salesforce.sandbox.org import Row, SalesforceOrg
from crm_steward_salesforce.sandbox.rows import existing

MOST_LOSERS = 2


def merge(
    crm: SalesforceOrg, master_id: str, values: Mapping[str, Any], losers: Sequence[str]
) -> tuple[Row, list[str]]:
    """Merge one or two contacts into a master, and return it with the ids of moved children.

    Args:
        crm: The org.
        master_id: The survivor.
        values: Fields to set on it; everything else stays as it is.
        losers: Who disappears into it.

    Raises:
        RowError: It is refused; nothing took effect.
    """
    if not {"EditContact", "DeleteContact"} <= crm.permissions:
        text = "insufficient access rights on object id"
        raise RowError("INSUFFICIENT_ACCESS_OR_READONLY", text)
    if not 1 <= len(losers) <= MOST_LOSERS:
        raise RowError("MERGE_FAILED", "merge takes one or two records besides the master")
    rows = [existing(crm, "Contact", record_id) for record_id in (master_id, *losers)]
    if len({row["Id"] for row in rows}) < len(rows):
        raise RowError("MERGE_FAILED", "a record cannot be merged with itself")
    for row in rows:
        if crm.locked[row["Id"]] > 0:
            crm.locked[row["Id"]] -= 1
            text = "unable to obtain exclusive access to this record"
            raise RowError("UNABLE_TO_LOCK_ROW", text)
    stored = checked(crm, "Contact", values, new=False)
    master = rows[0]["Id"]
    gone = [row["Id"] for row in rows[1:]]
    crm.write("Contact", master, stored)
    for loser in gone:
        crm.write("Contact", loser, {"IsDeleted": True, "MasterRecordId": master})
    moved = [task["Id"] for task in crm.live("Task") if task["WhoId"] in gone]
    for task_id in moved:
        crm.write("Task", task_id, {"WhoId": master})
    return crm.tables["Contact"][master], moved
