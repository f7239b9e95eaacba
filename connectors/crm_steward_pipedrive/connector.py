"""The open Pipedrive connection: five verbs, each in a module of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from crm_steward.sdk import (
    Account,
    Change,
    ConfigError,
    Contact,
    Context,
    Cursor,
    Outcome,
    Page,
    RecordRef,
    TaskState,
)
from crm_steward_pipedrive import PipedriveSettings
from crm_steward_pipedrive.account import Inspector, company_of
from crm_steward_pipedrive.errors import PipedriveForbiddenError
from crm_steward_pipedrive.mapping import ContactMap
from crm_steward_pipedrive.reading import Reader, by_own_ref
from crm_steward_pipedrive.records import Records
from crm_steward_pipedrive.wire import Document, Wire
from crm_steward_pipedrive.writing import Writer

_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class PipedriveConnector:
    """One company of Pipedrive; see `crm_steward.sdk.Connector` for what each verb promises.

    Args:
        settings: The connection's settings.
        context: What the core gives.
    """

    def __init__(self, settings: PipedriveSettings, context: Context) -> None:
        self._settings = settings
        self._wire = Wire(settings, context)
        self._map = ContactMap(context.connection)
        self._records = Records(self._wire)
        self._reader = Reader(self._wire, self._records, self._map, context.clock, settings.overlap)
        self._writer = Writer(self._wire, self._records, self._map, self._reader)
        self._inspector = Inspector(
            context.connection, self._wire, self._records, settings, context.clock
        )
        self._mapped = False

    def check(self) -> Account:
        """Ask about the company, scopes, fields, users, add-ons and the tokens of the day."""
        return self._inspector.account(self._details)

    def account_id(self) -> str:
        """Return the company's id."""
        return company_of(self._details)

    def read(self, since: Cursor | None) -> Iterator[Page]:
        """Bring everything changed since, or everything."""
        self._ready(anew=True)
        yield from self._reader.pages(since)

    def get(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Contact]:
        """Bring contacts fresh, by id."""
        self._ready()
        return by_own_ref(self._reader.fresh([ref.id for ref in refs]))

    def apply(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Update, task, unsubscribe, merge and archive contacts."""
        self._ready()
        yield from self._writer.apply(changes)

    def settle(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Look whether they took effect."""
        self._ready()
        yield from self._writer.settle(changes)

    def task_states(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """Tell what became of tasks."""
        return self._writer.task_states(ids)

    def close(self) -> None:
        """Close the sockets."""
        self._wire.close()

    def _ready(self, *, anew: bool = False) -> None:
        """Find out what reading needs to know, once, or anew: an admin may have changed it."""
        if anew or not self._mapped:
            self._look_up_mapped()
            self._link()

    def _look_up_mapped(self) -> None:
        """Find the fields that the settings name; those that are not there are not read as empty.

        Raises:
            ConfigError: With every name that leads nowhere, or to several fields.
        """
        settings = self._settings
        if settings.fields or settings.extra or settings.consent:
            sources, problems = self._inspector.sources(self._inspector.schema())
            if problems:
                raise ConfigError(problems)
            self._map.sources = sources
            self._records.codes = sources.codes
        self._mapped = True

    def _link(self) -> None:
        domain = self._settings.company or str(self._details.get("company_domain") or "")
        if _DOMAIN.fullmatch(domain):
            self._map.link = f"https://{domain}.pipedrive.com/person/"

    @cached_property
    def _details(self) -> Document:
        """The company and the user: they do not change, one call brings them."""
        try:
            return self._inspector.details()
        except PipedriveForbiddenError:
            return {}  # links and the time zone are left out; `check` names what is missing


def connect(settings: PipedriveSettings, context: Context) -> PipedriveConnector:
    """Open a connection; nothing is sent yet."""
    return PipedriveConnector(settings, context)
