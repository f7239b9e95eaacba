"""What `check` asks HubSpot: the account, what the token may do, fields, owners, quotas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from crm_steward.sdk import Account, Owner
from crm_steward_hubspot import HubSpotSettings
from crm_steward_hubspot.documents import Document, id_of, next_of, results_of
from crm_steward_hubspot.errors import HubSpotForbiddenError
from crm_steward_hubspot.schema import Schema
from crm_steward_hubspot.wire import Wire

T = TypeVar("T")
_OWNERS_PAGE = 500
_READ_WRITE = "communication_preferences.read_write"
_WRITES = {
    "crm.objects.contacts.write": "correcting fields, creating tasks, merging and archiving",
    _READ_WRITE: "unsubscribing addresses, and for keeping opt-outs through a merge",
}
"""What a token needs to write with → for what."""
_BOTH = frozenset({"communication_preferences.read", "communication_preferences.write"})
"""Together they are worth `communication_preferences.read_write`, for one kind of e-mail at a time."""


class Inspector:
    """Asks one account about itself.

    Args:
        wire: The account.
        schema: Its contact properties.
        settings: The connection's settings.
    """

    def __init__(self, wire: Wire, schema: Schema, settings: HubSpotSettings) -> None:
        self._wire = wire
        self._schema = schema
        self._settings = settings
        self._missing: list[str] = []

    def account(self, details: Document) -> Account:
        """Gather all that can be learnt; what is forbidden is named as missing, with its remedy.

        Args:
            details: The account's details.

        Raises:
            AuthError: The token itself is refused.
            RetryableError: HubSpot cannot be reached.
        """
        self._missing = []
        self._allowed("crm.objects.contacts.read", self._first_contact)
        fields = self._allowed("crm.schemas.contacts.read", self._schema.read) or {}
        owners = self._allowed("crm.objects.owners.read", self._owners) or {}
        self._look_at_scopes()
        if fields:
            self._missing += self._schema.lines()
        portal = portal_of(details)
        return Account(
            id=portal,
            name=f"HubSpot account {portal}".strip(),
            time_zone=str(details.get("timeZone") or ""),
            owners=owners,
            fields=fields,
            missing=tuple(self._missing),
            quota=dict(self._wire.left),
        )

    def _allowed(self, scope: str, ask: Callable[[], T]) -> T | None:
        """Ask, or note the scope as missing when HubSpot forbids it."""
        try:
            return ask()
        except HubSpotForbiddenError as error:
            wanted = ", ".join(error.scopes) or scope
            self._missing.append(
                f"The token lacks the scope {wanted}. Grant it in HubSpot to the service key or "
                "app behind it."
            )
            return None

    def _look_at_scopes(self) -> None:
        """Name the scopes that are missing to write, where HubSpot tells what the token may do.

        Writing would show it too, but only when something is to be written.
        """
        granted = self._wire.scopes(self._settings)
        if not granted:
            return
        if granted >= _BOTH:
            granted |= {_READ_WRITE}
        for scope, purpose in _WRITES.items():
            if scope not in granted:
                self._missing.append(
                    f"The token lacks the scope {scope}, which is for {purpose}. Grant it in "
                    "HubSpot, unless this is not to be done here."
                )

    def _first_contact(self) -> None:
        self._wire.call(self._wire.contacts.get_page, limit=1, rows=True)

    def _owners(self) -> Mapping[str, Owner]:
        """Return people of today and of yesterday: contacts keep the owners who left."""
        found: dict[str, Owner] = {}
        for archived in (False, True):
            after: str | None = None
            while True:
                answer = self._wire.call(
                    self._wire.owners.get_page,
                    limit=_OWNERS_PAGE,
                    after=after,
                    archived=archived,
                    rows=True,
                )
                for item in results_of(answer):
                    if id_of(item):
                        found.setdefault(id_of(item), _owner(item, active=not archived))
                after = next_of(answer) or None
                if after is None:
                    break
        return found


def portal_of(details: Document) -> str:
    """Return the portal's id; empty when the details are not known."""
    return str(details.get("portalId") or "")


def _owner(item: Mapping[str, Any], *, active: bool) -> Owner:
    names = (str(item.get(part) or "") for part in ("firstName", "lastName"))
    email = str(item.get("email") or "")
    return Owner(
        id=id_of(item), name=" ".join(filter(None, names)) or email, email=email, active=active
    )
