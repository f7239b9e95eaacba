"""The five verbs on one file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC

from crm_steward.sdk import (
    FIELDS,
    Account,
    Change,
    Contact,
    Context,
    Cursor,
    FieldType,
    MappedField,
    Outcome,
    Page,
    Poison,
    RecordRef,
    RecordRejectedError,
    SourceField,
)
from crm_steward_file import FileSettings
from crm_steward_file.changes import Batch, State
from crm_steward_file.columns import is_french
from crm_steward_file.contacts import Reader
from crm_steward_file.corrected import copy_of
from crm_steward_file.encoding import sha256_of
from crm_steward_file.source import Row
from crm_steward_file.table import open_table

_PAGE = 1000


def open_file(settings: FileSettings, context: Context) -> FileConnector:
    """Open a connection to a file; nothing is read yet."""
    return FileConnector(settings, context)


class FileConnector:
    """One CSV or XLSX file as a CRM; see the README for what each verb means here."""

    def __init__(self, settings: FileSettings, context: Context) -> None:
        self._settings = settings
        self._context = context

    def check(self) -> Account:
        """Look at the file: its columns and how they were recognised.

        Raises:
            InputError: The file cannot be used.
        """
        with self._state() as state:
            columns, form = state.table.columns, state.table.source.about
        missing = []
        if not any(column.target == "id" for column in columns):
            missing.append(
                "No column names the records, so they are named by e-mail or line. "
                "Add a column of ids, or say which it is with id_column."
            )
        return Account(
            id=self.account_id(),
            name=self._settings.path.name,
            fields={
                column.name: SourceField(
                    name=column.name,
                    label=column.name,
                    type=FIELDS[column.target].type if column.target in FIELDS else FieldType.TEXT,
                    writable=column.target in FIELDS and FIELDS[column.target].writable,
                )
                for column in columns
            },
            missing=tuple(missing),
            language={True: "fr", False: "en", None: ""}[is_french(columns)],
            mapping=tuple(MappedField(c.name, c.target, c.how.value) for c in columns),
            form=form,
        )

    def account_id(self) -> str:
        """Name the file."""
        return self._settings.path.name

    def read(self, since: Cursor | None) -> Iterator[Page]:
        """Bring every row, in pages; nothing when the file is as it was at `since`.

        Raises:
            InputError: The file cannot be used.
        """
        with self._state() as state:
            mark = state.table.fingerprint
            done = _rows_done(since, mark)
            if done is None:
                yield Page(cursor=_cursor(mark, None), complete=True)
                return
            contacts: list[Contact] = []
            poison: list[Poison] = []
            count = 0
            for record_id, row in self._rows(state):
                count += 1
                if count <= done:
                    continue
                try:
                    contacts.append(state.reader.contact(record_id, row))
                except RecordRejectedError as error:
                    poison.append(Poison(f"line {row.line}", error.message))
                if len(contacts) + len(poison) == _PAGE:
                    yield Page(
                        contacts=contacts,
                        poison=poison,
                        cursor=_cursor(mark, count),
                        total=state.table.total,
                    )
                    contacts, poison = [], []
            yield Page(
                contacts=contacts,
                poison=poison,
                cursor=_cursor(mark, None),
                complete=True,
                total=state.table.total,
            )

    def get(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Contact]:
        """Bring rows as they stand now, corrections included.

        Raises:
            InputError: The file cannot be used.
        """
        with self._state() as state:
            found = self._find(state, {ref.id for ref in refs})
            contacts = [state.reader.contact(record_id, row) for record_id, row in found.items()]
        return {contact.ref: contact for contact in contacts}

    def apply(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Write the changes to the corrected copy, all of them at once.

        Raises:
            InputError: The file cannot be used, or the copy cannot be written; then nothing was.
        """
        with self._state() as state:
            found = self._find(state, {change.ref.id for change in changes})
            batch = Batch(state, found, self._context.clock().astimezone(UTC).isoformat())
            outcomes = [batch.take(change) for change in changes]
            batch.write()
        yield from outcomes

    def settle(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Look into the copy whether the changes are in it.

        Raises:
            InputError: The file cannot be used.
        """
        with self._state() as state:
            found = self._find(state, {change.ref.id for change in changes})
            batch = Batch(state, found, "")
            outcomes = [batch.look(change) for change in changes]
        yield from outcomes

    def close(self) -> None:
        """Let go of the file: each verb opens and closes it."""

    @contextmanager
    def _state(self) -> Iterator[State]:
        path = self._settings.path
        original = sha256_of(path)
        table = open_table(path, self._settings)
        copy = copy_of(path, table.form)
        log = copy.log() if self._settings.corrections else []
        corrected = copy.path.exists() and any(e.original == original for e in log)
        if corrected:
            table.source.close()
            table = open_table(copy.path, self._settings, neutralised=True)
        reader = Reader(table, self._context.connection)
        try:
            yield State(table, reader, copy, log, original, corrected)
        finally:
            table.source.close()

    def _rows(self, state: State) -> Iterator[tuple[str, Row]]:
        return state.table.identified(state.known_ids(), by_line=self._settings.ids == "line")

    def _find(self, state: State, ids: set[str]) -> dict[str, Row]:
        found: dict[str, Row] = {}
        for record_id, row in self._rows(state):
            if record_id in ids and not row.problem:
                found[record_id] = row
                if len(found) == len(ids):
                    break
        return found


def _cursor(mark: str, rows: int | None) -> Cursor:
    return Cursor(json.dumps({"file": mark, "rows": rows}))


def _rows_done(since: Cursor | None, mark: str) -> int | None:
    """Return how many rows were read already; None when all of them were."""
    if since is None:
        return 0
    try:
        held = json.loads(since)
    except ValueError:
        return 0
    if not isinstance(held, dict) or held.get("file") != mark:
        return 0
    rows = held.get("rows")
    return rows if rows is None or isinstance(rows, int) else 0
