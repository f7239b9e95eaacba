"""Withdrawing consent: `marketing_status`, which only the Campaigns add-on has.

Pipedrive lets the API change it once from an old status to a new one; a change that is forbidden
is ignored under a status of success. So what the person holds afterwards is what counts.
Source: pipedrive.readme.io/docs/campaigns-in-pipedrive-api.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crm_steward.sdk import StewardError
from crm_steward_pipedrive.records import Records
from crm_steward_pipedrive.wire import Wire, row_of

WITHDRAWN = "unsubscribed"
SUBSCRIBED = "subscribed"
UPDATE_COST = 5
NO_CAMPAIGNS = "Pipedrive keeps consent only with the Campaigns add-on, which this company lacks"


class NotShownError(Exception):
    """The answer, and a reading by id, do not show what became of the change."""


class Suppressor:
    """Withdraws consent by e-mail in one account.

    Args:
        wire: The account.
        records: Reads persons by id.
    """

    def __init__(self, wire: Wire, records: Records) -> None:
        self._wire = wire
        self._records = records

    def withdraw(self, person: int) -> str:
        """Set a person to *unsubscribed*.

        Returns:
            Why it was refused; empty when the person is unsubscribed now.

        Raises:
            StewardError: The call failed.
            NotShownError: The answer does not show the person.
        """
        if not self._records.has_campaigns():
            return NO_CAMPAIGNS
        answer = self._wire.call(
            lambda api: api.v2._patch(  # noqa: SLF001 -- the library's method sends PUT
                f"{api.v2.BASE_URL}persons/{person}", json={"marketing_status": WITHDRAWN}
            ),
            cost=UPDATE_COST,
            repeatable=False,
        )
        row = row_of(answer)
        if not row:
            raise NotShownError
        if "marketing_status" not in row:
            try:
                row = self._records.persons([person]).get(person, {})
            except StewardError as error:  # it was sent: a quota that closes does not undo it
                raise NotShownError from error
        if withdrawn(row):
            return ""
        return f"Pipedrive ignores the change: it keeps '{status_of(row) or 'no status'}'"


def withdrawn(record: Mapping[str, Any]) -> bool:
    """Whether a person is unsubscribed."""
    return status_of(record) == WITHDRAWN


def status_of(record: Mapping[str, Any]) -> str:
    """Return a person's status if it is one of Pipedrive's; empty otherwise."""
    held = record.get("marketing_status")
    known = ("no_consent", "unsubscribed", "subscribed", "archived")
    return held if isinstance(held, str) and held in known else ""
