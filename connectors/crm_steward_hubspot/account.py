"""What `check` asks HubSpot: the account, what the token may do, fields, owners, quotas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from crm_steward.sdk import Account, FieldType, Owner, SourceField
from crm_steward_hubspot import HubSpotSettings
from crm_steward_hubspot.errors import HubSpotForbiddenError
from crm_steward_hubspot.mapping import WRITABLE
from crm_steward_hubspot.wire import Document, Wire, id_of, next_of, results_of

T = TypeVar("T")
_OWNERS_PAGE = 500
_TYPES = {
    "string": FieldType.TEXT,
    "number": FieldType.TEXT,
    "phone_number": FieldType.PHONE,
    "enumeration": FieldType.CHOICE,
    "bool": FieldType.FLAG,
    "date": FieldType.TIME,
    "datetime": FieldType.TIME,
}
"""HubSpot's property type → ours; others are shown as text."""


class Inspector:
    """Asks one account about itself.

    Args:
        connection: The connection's name.
        wire: The account.
        settings: The connection's settings, whose mapped properties are looked up.
    """

    def __init__(self, connection: str, wire: Wire, settings: HubSpotSettings) -> None:
        self._connection = connection
        self._wire = wire
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
        fields = self._allowed("crm.schemas.contacts.read", self._fields) or {}
        owners = self._allowed("crm.objects.owners.read", self._owners) or {}
        if fields:
            self._look_up_mapped(fields)
        portal = str(details.get("portalId") or "")
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
                "private app behind it."
            )
            return None

    def _first_contact(self) -> None:
        self._wire.call(self._wire.contacts.get_page, limit=1)

    def _fields(self) -> Mapping[str, SourceField]:
        answer = self._wire.call(self._wire.properties.get_all, "contacts", archived=False)
        fields = [_field(item) for item in results_of(answer) if isinstance(item, dict)]
        return {field.name: field for field in fields}

    def _owners(self) -> Mapping[str, Owner]:
        """Return people of today and of yesterday: contacts keep the owners who left."""
        found: dict[str, Owner] = {}
        for archived in (False, True):
            after: str | None = None
            while True:
                answer = self._wire.call(
                    self._wire.owners.get_page, limit=_OWNERS_PAGE, after=after, archived=archived
                )
                for item in results_of(answer):
                    if id_of(item):
                        found.setdefault(id_of(item), _owner(item, active=not archived))
                after = next_of(answer) or None
                if after is None:
                    break
        return found

    def _look_up_mapped(self, fields: Mapping[str, SourceField]) -> None:
        own = {f"extra.{name}": prop for name, prop in self._settings.extra.items()}
        own |= {f"consent.{part}": prop for part, prop in self._settings.consent.items()}
        for setting, prop in (WRITABLE | own).items():
            if prop not in fields:
                close = get_close_matches(prop, fields, n=1)
                guess = f" (did you mean '{close[0]}'?)" if close else ""
                where = f"connections.{self._connection}.{setting}"
                remedy = f"Correct {where}." if setting in own else "It is read as empty."
                self._missing.append(f"HubSpot has no contact property '{prop}'{guess}. {remedy}")


def _field(item: Mapping[str, Any]) -> SourceField:
    name = str(item.get("name") or "")
    metadata = item.get("modificationMetadata") or {}
    options = item.get("options") or ()
    kind = FieldType.EMAIL if name == "email" else _TYPES.get(str(item.get("type")), FieldType.TEXT)
    return SourceField(
        name=name,
        label=str(item.get("label") or name),
        type=kind,
        writable=not metadata.get("readOnlyValue") and not item.get("calculated"),
        options=tuple(str(option.get("value")) for option in options),
    )


def _owner(item: Mapping[str, Any], *, active: bool) -> Owner:
    names = (str(item.get(part) or "") for part in ("firstName", "lastName"))
    email = str(item.get("email") or "")
    return Owner(
        id=id_of(item), name=" ".join(filter(None, names)) or email, email=email, active=active
    )
