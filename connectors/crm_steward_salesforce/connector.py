"""The open Salesforce connection: five verbs, each in modules of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
from crm_steward_salesforce.account import Inspector
from crm_steward_salesforce.guarded import Memory
from crm_steward_salesforce.mapping import ContactMap
from crm_steward_salesforce.reading import Reader
from crm_steward_salesforce.records import Records
from crm_steward_salesforce.schema import Schema
from crm_steward_salesforce.settings import SalesforceSettings
from crm_steward_salesforce.values import text
from crm_steward_salesforce.wire import Wire
from crm_steward_salesforce.writing import Writer


class SalesforceConnector:
    """One org of Salesforce; see `crm_steward.sdk.Connector` for what each verb promises.

    Args:
        settings: The connection's settings.
        context: What the core gives.
    """

    def __init__(self, settings: SalesforceSettings, context: Context) -> None:
        self._wire = Wire(settings, context)
        schema = Schema(self._wire, context.clock)
        self._map = ContactMap(context.connection, settings, schema)
        self._records = Records(self._wire, schema, self._map)
        self._memory = Memory(context.clock)
        self._reader = Reader(
            self._wire, schema, self._map, self._records, settings.overlap_at_least
        )
        self._writer = Writer(self._wire, schema, self._map, self._records, self._memory)
        self._inspector = Inspector(self._wire, schema, self._map, self._records, settings)

    def check(self) -> Account:
        """Ask about the org, rights, fields, owners and quotas."""
        return self._inspector.account()

    def account_id(self) -> str:
        """Return the org's id."""
        return text(self._inspector.organisation().get("Id")) or ""

    def read(self, since: Cursor | None) -> Iterator[Page]:
        """Bring everything changed since, or everything."""
        self._map.link = self._wire.address()
        return self._reader.pages(since)

    def get(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Contact]:
        """Bring contacts fresh, by id."""
        self._map.link = self._wire.address()
        found = self._records.found([ref.id for ref in refs])
        self._memory.keep(found)
        return {item.contact.ref: item.contact for item in found.values()}

    def apply(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Update, opt out, merge and archive contacts, and make tasks."""
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


def connect(settings: SalesforceSettings, context: Context) -> SalesforceConnector:
    """Open a connection; nothing is sent yet."""
    return SalesforceConnector(settings, context)
