"""What `check` asks Zoho: the organisation, what the token may do, fields, users, credits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from crm_steward.sdk import Account, Owner
from crm_steward_zoho.consents import BASIS, DETAILS, known
from crm_steward_zoho.errors import ZohoForbiddenError
from crm_steward_zoho.mapping import ContactMap
from crm_steward_zoho.reading import Reader
from crm_steward_zoho.schema import Schema
from crm_steward_zoho.wire import Wire, id_of

T = TypeVar("T")
_PAGE = 200
_ORG = "ZohoCRM.org.READ"
_USERS = "ZohoCRM.users.READ"
_TASKS = "ZohoCRM.modules.tasks.READ"
_PRIVACY = frozenset({BASIS, DETAILS})


class Inspector:
    """Asks one organisation about itself.

    Args:
        wire: The organisation.
        contacts: How its records are read, and which fields the settings name.
        reader: Knows the schema.
    """

    def __init__(self, wire: Wire, contacts: ContactMap, reader: Reader) -> None:
        self._wire = wire
        self._map = contacts
        self._reader = reader
        self._missing: list[str] = []

    def organisation(self) -> Mapping[str, Any]:
        """Return the organisation's details.

        Raises:
            ZohoForbiddenError: The token lacks the scope for them.
        """
        row = next(iter(self._wire.get("/org", scope=_ORG, key="org").rows("org")), None)
        return row if isinstance(row, dict) else {}

    def organisation_id(self) -> str:
        """Return the organisation's id; empty when the token may not ask."""
        try:
            return _id_of(self.organisation())
        except ZohoForbiddenError:
            return ""

    def account(self) -> Account:
        """Gather all that can be learnt; what is forbidden is named as missing, with its remedy.

        Raises:
            AuthError: The token itself is refused.
            RetryableError: Zoho cannot be reached.
        """
        self._missing = []
        details = self._allowed(self.organisation) or {}
        schema = self._allowed(lambda: self._reader.schema(anew=True))
        owners = self._allowed(self._owners) or {}
        if self._allowed(self._list_contacts) and schema:
            self._allowed(self._query)
        self._allowed(self._list_tasks)
        if schema:
            self._look_up(schema, details)
        return Account(
            id=_id_of(details),
            name=_text(details, "company_name") or "Zoho CRM",
            time_zone=_text(details, "time_zone"),
            owners=owners,
            fields={name: field.source() for name, field in schema.fields.items()}
            if schema
            else {},
            missing=tuple(self._missing),
            quota=dict(self._wire.left),
        )

    def _allowed(self, ask: Callable[[], T]) -> T | None:
        """Ask, or note what is missing when Zoho forbids it."""
        try:
            return ask()
        except ZohoForbiddenError as error:
            if error.user:
                text = f"The user behind the token may not do what {error.scope} is for."
            else:
                text = f"The token lacks the scope {error.scope}."
            self._missing.append(f"{text} {error.hint}")
            return None

    def _list_contacts(self) -> bool:
        self._wire.get("/Contacts", fields="Modified_Time", per_page=1)
        return True

    def _list_tasks(self) -> bool:
        self._wire.get("/Tasks", scope=_TASKS, fields="Subject", per_page=1)
        return True

    def _query(self) -> bool:
        self._wire.query("select id from Contacts where id is not null", limit=1)
        return True

    def _owners(self) -> Mapping[str, Owner]:
        """Return users of today and of yesterday: contacts keep the owners who left."""
        found: dict[str, Owner] = {}
        for kind, active in (("ActiveUsers", True), ("DeactiveUsers", False)):
            page = 1
            while True:
                answer = self._wire.get(
                    "/users", scope=_USERS, key="users", type=kind, page=page, per_page=_PAGE
                )
                users = [user for user in answer.rows("users") if id_of(user)]
                for user in users:
                    found.setdefault(id_of(user), _owner(user, active=active))
                page += 1
                if not (answer.more and users):
                    break
        return found

    def _look_up(self, schema: Schema, details: Mapping[str, Any]) -> None:
        """Name the fields that are read as empty, and values of the basis nobody understands."""
        self._missing += [str(problem) for problem in schema.missing(self._map.configured)]
        private = details.get("privacy_settings") is True
        configured = set(self._map.configured.values())
        self._missing += [
            f"Zoho shows no contact field '{name}' to this user. It is read as empty."
            for name in self._map.standard
            if name not in schema.fields
            and name not in configured
            and (private or name not in _PRIVACY)
        ]
        basis = schema.fields.get(BASIS)
        strange = [value for value in (basis.options if basis else ()) if not known(value)]
        if strange:
            self._missing.append(
                f"{BASIS} has {len(strange)} values that are not understood and allow nothing."
            )


def _owner(user: Mapping[str, Any], *, active: bool) -> Owner:
    email = _text(user, "email")
    name = _text(user, "full_name") or email
    return Owner(id=id_of(dict(user)), name=name, email=email, active=active)


def _id_of(details: Mapping[str, Any]) -> str:
    return _text(details, "zgid") or _text(details, "id")


def _text(held: Mapping[str, Any], name: str) -> str:
    found = held.get(name)
    return found if isinstance(found, str) else ""
