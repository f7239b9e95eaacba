"""The account's contact properties, and whether those the settings name are among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from crm_steward.sdk import ConfigError, FieldType, Problem, SourceField
from crm_steward_hubspot import HubSpotSettings
from crm_steward_hubspot.documents import listed, results_of
from crm_steward_hubspot.errors import HubSpotForbiddenError
from crm_steward_hubspot.mapping import STANDARD, ContactMap
from crm_steward_hubspot.wire import Wire

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


class Schema:
    """The contact properties of one account.

    Args:
        connection: The connection's name.
        wire: The account.
        settings: The connection's settings, which name properties.
        contacts: What has to know of each kind of e-mail's opt-out.
    """

    def __init__(
        self, connection: str, wire: Wire, settings: HubSpotSettings, contacts: ContactMap
    ) -> None:
        self._connection = connection
        self._wire = wire
        self._own = _named(settings)
        self._map = contacts
        self._known: Mapping[str, SourceField] | None = None

    def read(self) -> Mapping[str, SourceField]:
        """Ask HubSpot anew: admins add and delete properties.

        Raises:
            HubSpotForbiddenError: The token lacks the scope.
        """
        answer = self._wire.call(
            self._wire.properties.get_all, "contacts", archived=False, rows=True
        )
        fields = [_field(item) for item in results_of(answer) if isinstance(item, dict)]
        self._known = {field.name: field for field in fields if field.name}
        self._map.learn(self._known)
        return self._known

    def learn(self) -> None:
        """Know the schema, if the token may read it; it is asked for once."""
        if self._known is None:
            try:
                self.read()
            except HubSpotForbiddenError:
                self._known = {}  # opt-outs of single subscriptions stay unread; `check` says so

    def insist(self) -> None:
        """See that every property that the settings name is there.

        A missing one would be read as empty, and turn every contact into a finding. Without the
        scope to read the schema this cannot be seen.

        Raises:
            ConfigError: One or more are missing.
        """
        self._known = None
        self.learn()
        missing = list(self._missing_own())
        if missing:
            raise ConfigError(missing)

    def lines(self) -> Iterator[str]:
        """Say what `check` says: each property that is missing, with its remedy."""
        yield from (str(problem) for problem in self._missing_own())
        for name in STANDARD:
            if self._known and name not in self._known:
                yield f"HubSpot has no contact property '{name}' here. It is read as empty."

    def _missing_own(self) -> Iterator[Problem]:
        for setting, name in self._own.items():
            if self._known and name not in self._known:
                close = get_close_matches(name, self._known, n=1)
                guess = f" (did you mean '{close[0]}'?)" if close else ""
                where = f"connections.{self._connection}.{setting}"
                yield Problem(
                    f"HubSpot has no contact property '{name}'{guess}", hint=f"Correct {where}."
                )


def _named(settings: HubSpotSettings) -> dict[str, str]:
    """Return setting → property of all the settings that name one."""
    own = {f"fields.{field}": name for field, name in settings.fields.items()}
    own |= {f"extra.{field}": name for field, name in settings.extra.items()}
    return own | {f"consent.{part}": name for part, name in settings.consent.items()}


def _field(item: Mapping[str, Any]) -> SourceField:
    name = str(item.get("name") or "")
    given = item.get("modificationMetadata")
    metadata = given if isinstance(given, dict) else {}
    options = [option for option in listed(item.get("options")) if isinstance(option, dict)]
    kind = FieldType.EMAIL if name == "email" else _TYPES.get(str(item.get("type")), FieldType.TEXT)
    return SourceField(
        name=name,
        label=str(item.get("label") or name),
        type=kind,
        writable=not metadata.get("readOnlyValue") and not item.get("calculated"),
        options=tuple(str(option.get("value")) for option in options),
    )
