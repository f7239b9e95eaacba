"""What `check` asks Salesforce: the org, its people, what our user may see and do, what is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crm_steward.sdk import Account, Owner
from crm_steward_salesforce import soql
from crm_steward_salesforce.closing import DONE, unable
from crm_steward_salesforce.errors import SalesforceRejectedError
from crm_steward_salesforce.mapping import ContactMap
from crm_steward_salesforce.records import Records, id_of, is_last, last_id
from crm_steward_salesforce.schema import Schema
from crm_steward_salesforce.settings import SalesforceSettings, Way
from crm_steward_salesforce.values import text
from crm_steward_salesforce.wire import Record, Wire

_ORG = ("Id", "Name", "TimeZoneSidKey")
_RIGHTS = {
    "updateable": "Edit on Contact: without it nothing is corrected, opted out or merged",
    "deletable": "Delete on Contact: without it nothing is archived or merged",
}


class Inspector:
    """Asks one org about itself.

    Args:
        wire: The org.
        schema: What our user can see.
        contacts: How our fields are Salesforce's.
        records: Asks for pages of records.
        settings: The connection's settings.
    """

    def __init__(
        self,
        wire: Wire,
        schema: Schema,
        contacts: ContactMap,
        records: Records,
        settings: SalesforceSettings,
    ) -> None:
        self._wire = wire
        self._schema = schema
        self._map = contacts
        self._records = records
        self._settings = settings

    def account(self) -> Account:
        """Gather all that can be learnt; what is missing is named, with its remedy.

        Raises:
            AuthError: The credential is refused, or our user may not use the API.
            RetryableError: Salesforce cannot be reached.
        """
        self._schema.forget()
        org = self.organisation()
        fields = {name: item.shown() for name, item in self._schema.contact.fields.items()}
        owners = self._owners()
        missing = (*self._access(), *self._rights(), *self._unmapped())
        quota = self._quota()
        return Account(
            id=text(org.get("Id")) or "",
            name=text(org.get("Name")) or "",
            time_zone=text(org.get("TimeZoneSidKey")) or "",
            owners=owners,
            fields=fields,
            missing=missing,
            quota={} if quota is None else {"daily": quota},
        )

    def organisation(self) -> Record:
        """Return the org's details; empty where our user may not see them."""
        return next(iter(self._all("Organization", _ORG)), {})

    def _access(self) -> list[str]:
        found = []
        if self._settings.way is Way.PASSWORD:
            found.append(
                "The way in by user name and password ends with Summer '27. Make an External "
                "Client App, and give client_id, client_secret and domain instead."
            )
        versions = self._wire.versions()
        if versions and self._settings.version not in versions:
            found.append(
                f"The org does not serve API version {self._settings.version} (it serves "
                f"{versions[0]} to {versions[-1]}). Correct version."
            )
        return found

    def _rights(self) -> list[str]:
        rights = self._schema.contact.rights
        found = [
            f"Our user lacks {what}. Grant it by a permission set."
            for right, what in _RIGHTS.items()
            if right not in rights
        ]
        if "createable" not in self._schema.of("Task").rights:
            found.append("Our user may not make tasks. Grant 'Edit Tasks' by a permission set.")
        elif why := unable(self._schema):
            found.append(
                f"{why[0].upper()}{why[1:]}: tasks are not closed when they are settled. Grant edit "
                f"access to it, or put '{DONE}' back among the statuses of tasks."
            )
        return found

    def _unmapped(self) -> list[str]:
        wrong = [
            f"{what}. Correct connections.{self._wire.connection}.{setting}."
            for setting, what in self._map.unknown().items()
        ]
        hidden = [
            f"Our user cannot see the contact field '{path}' ({name}): it is read as empty. Grant "
            "read access by field-level security."
            for name, path in self._map.hidden()
        ]
        return wrong + hidden

    def _owners(self) -> Mapping[str, Owner]:
        """Return users and queues; tasks may belong to either."""
        found: dict[str, Owner] = {}
        for row in self._all("User", ("Id", "Name", "Email", "IsActive"), "UserType = 'Standard'"):
            name = text(row.get("Name")) or ""
            found[id_of(row)] = Owner(
                id=id_of(row),
                name=name,
                email=text(row.get("Email")) or "",
                active=row.get("IsActive") is True,
            )
        for row in self._all("Group", ("Id", "Name"), "Type = 'Queue'"):
            found[id_of(row)] = Owner(id=id_of(row), name=text(row.get("Name")) or "")
        return found

    def _all(self, source: str, paths: tuple[str, ...], where: str = "") -> list[Record]:
        """Bring every record of a small object; none where our user may not see it."""
        found: list[Record] = []
        last = ""
        while True:
            condition = " AND ".join(filter(None, (where, soql.after(last))))
            try:
                rows = self._wire.query(soql.select(paths, source, condition))
            except SalesforceRejectedError:
                return found
            found += [row for row in rows.records if id_of(row)]
            last = last_id(rows, last, self._wire.connection)
            if is_last(rows):
                return found

    def _quota(self) -> int | None:
        """Return the calls left today; who may not see the limits is told them by each answer."""
        try:
            daily: Any = self._wire.limits().get("DailyApiRequests")
        except SalesforceRejectedError:
            return self._wire.left
        left = daily.get("Remaining") if isinstance(daily, Mapping) else None
        return left if isinstance(left, int) else self._wire.left
