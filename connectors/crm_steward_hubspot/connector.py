"""The open HubSpot connection: five verbs, each in a module of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crm_steward.sdk import (
    Account,
    Change,
    Contact,
    Context,
    CreateTask,
    Cursor,
    Outcome,
    Page,
    RecordRef,
    TaskState,
)
from crm_steward_hubspot import HubSpotSettings
from crm_steward_hubspot.account import Inspector, portal_of
from crm_steward_hubspot.documents import Document
from crm_steward_hubspot.errors import HubSpotForbiddenError
from crm_steward_hubspot.mapping import ContactMap, page_address
from crm_steward_hubspot.reading import Reader, by_own_ref
from crm_steward_hubspot.schema import Schema
from crm_steward_hubspot.wire import Wire
from crm_steward_hubspot.writing import Writer


class HubSpotConnector:
    """One account of HubSpot; see `crm_steward.sdk.Connector` for what each verb promises.

    Args:
        settings: The connection's settings.
        context: What the core gives.
    """

    def __init__(self, settings: HubSpotSettings, context: Context) -> None:
        self._wire = Wire(settings, context)
        self._map = ContactMap(context.connection, settings)
        schema = Schema(context.connection, self._wire, settings, self._map)
        overlap = max(settings.overlap, settings.search_lag)
        self._reader = Reader(self._wire, self._map, schema, overlap)
        self._writer = Writer(self._wire, self._map, self._reader, context.clock)
        self._inspector = Inspector(self._wire, schema, settings)

    def check(self) -> Account:
        """Ask about the account, scopes, fields, owners, quotas and time zone."""
        return self._inspector.account(self._details)

    def account_id(self) -> str:
        """Return the portal's id."""
        return portal_of(self._details)

    def read(self, since: Cursor | None) -> Iterator[Page]:
        """Bring everything changed since, or everything."""
        self._map.link = page_address(self._details)
        return self._reader.pages(since)

    def get(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Contact]:
        """Bring contacts fresh, by id."""
        return by_own_ref(self._reader.fresh([ref.id for ref in refs]))

    def apply(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Update, make and close tasks, unsubscribe, merge and archive."""
        if any(isinstance(change, CreateTask) for change in changes):
            self._writer.due_in(_zone(self._details.get("timeZone")))
        return self._writer.apply(changes)

    def settle(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Look whether they took effect."""
        return self._writer.settle(changes)

    def task_states(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """Tell what became of tasks."""
        return self._writer.task_states(ids)

    def close(self) -> None:
        """Close the sockets."""
        self._wire.close()

    @cached_property
    def _details(self) -> Document:
        """The account's id, time zone and domain: they do not change, one call brings them."""
        try:
            return self._wire.account()
        except HubSpotForbiddenError:
            return {}  # links and the time zone are left out; `check` names what is missing


def connect(settings: HubSpotSettings, context: Context) -> HubSpotConnector:
    """Open a connection; nothing is sent yet."""
    return HubSpotConnector(settings, context)


def _zone(name: object) -> ZoneInfo:
    try:
        return ZoneInfo(name) if isinstance(name, str) else ZoneInfo("UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
