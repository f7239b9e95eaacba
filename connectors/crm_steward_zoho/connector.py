"""The open Zoho connection: five verbs, each in a module of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from crm_steward.sdk import (
    Account,
    Change,
    Contact,
    Context,
    Cursor,
    Outcome,
    Page,
    RecordRef,
    TaskState,
)
from crm_steward_zoho import DATA_CENTERS, ZohoSettings
from crm_steward_zoho.account import Inspector
from crm_steward_zoho.errors import ZohoForbiddenError
from crm_steward_zoho.mapping import ContactMap
from crm_steward_zoho.reading import Reader
from crm_steward_zoho.updates import Memory
from crm_steward_zoho.wire import Wire
from crm_steward_zoho.writing import Writer

_ORG_NUMBER = re.compile(r"[0-9]{1,20}")


class ZohoConnector:
    """One organisation of Zoho CRM; see `crm_steward.sdk.Connector` for what each verb promises.

    Args:
        settings: The connection's settings.
        context: What the core gives.
    """

    def __init__(self, settings: ZohoSettings, context: Context) -> None:
        self._settings = settings
        self._wire = Wire(settings, context)
        self._map = ContactMap(context.connection, settings)
        self._memory = Memory(context.clock)
        self._reader = Reader(self._wire, self._map, settings.overlap)
        self._writer = Writer(
            settings,
            context,
            wire=self._wire,
            contacts=self._map,
            reader=self._reader,
            memory=self._memory,
        )
        self._inspector = Inspector(self._wire, self._map, self._reader)

    def check(self) -> Account:
        """Ask about the organisation, scopes, fields, users, credits and time zone."""
        return self._inspector.account()

    def account_id(self) -> str:
        """Return the organisation's id."""
        return self._inspector.organisation_id()

    def read(self, since: Cursor | None) -> Iterator[Page]:
        """Bring everything changed since, or everything."""
        self._map.link = self._link
        return self._reader.pages(since)

    def get(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Contact]:
        """Bring contacts fresh, by id."""
        records = self._reader.fresh([ref.id for ref in refs])
        self._memory.note(records)
        read = (self._map.contact(record) for record in records.values())
        return {contact.ref: contact for contact in read if isinstance(contact, Contact)}

    def apply(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Update, restrict, merge and delete contacts, create and close tasks."""
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
    def _link(self) -> str:
        """Where contacts are shown on screen; empty when the organisation is not known."""
        try:
            number = str(self._inspector.organisation().get("zgid") or "")
        except ZohoForbiddenError:
            return ""  # links are left out; `check` names what is missing
        host = DATA_CENTERS[self._settings.data_center].crm
        return (
            f"https://{host}/crm/org{number}/tab/Contacts/" if _ORG_NUMBER.fullmatch(number) else ""
        )


def connect(settings: ZohoSettings, context: Context) -> ZohoConnector:
    """Open a connection; nothing is sent yet."""
    return ZohoConnector(settings, context)
