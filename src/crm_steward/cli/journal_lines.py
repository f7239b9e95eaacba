"""Lines of the journal: which are asked for on the command line, and how they go to files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crm_steward.cli.moments import moment_of

if TYPE_CHECKING:
    import sqlalchemy as sa

    from crm_steward.store.journal import Line

RecordOption = Annotated[
    str | None, typer.Option("--record", "--ref", help="Only this record (connection:id).")
]
RuleOption = Annotated[str | None, typer.Option(help="Only changes of this rule.")]
RunOption = Annotated[str | None, typer.Option(help="Only this run.")]
ConnectionOption = Annotated[str | None, typer.Option(help="Only this connection.")]
KindOption = Annotated[
    Literal[
        "update",
        "suppress",
        "lift",
        "task",
        "close_task",
        "merge",
        "archive",
        "undelete",
        "recreate",
    ]
    | None,
    typer.Option(help="Only changes of this kind."),
]
OutcomeOption = Annotated[
    Literal["intent", "verified", "rejected", "conflict", "already", "unknown", "absent"] | None,
    typer.Option("--outcome", help="Only lines that say this."),
]
SinceOption = Annotated[
    str | None, typer.Option(help="At or after this moment (2026-01-31, 2026-01-31T09:30Z).")
]
UntilOption = Annotated[str | None, typer.Option(help="Before this moment.")]

COLUMNS = (
    *("seq", "at", "state", "kind", "connection", "id", "rule", "finding", "run", "plan", "key"),
    *("fields", "change", "reason", "remote_id", "undoes", "epoch", "purged_at", "hash"),
)


def wanted(
    *,
    ref: str | None,
    rule: str | None,
    run: str | None,
    connection: str | None,
    kind: str | None,
    outcome: str | None,
    since: str | None,
    until: str | None,
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that the options make.

    Raises:
        typer.BadParameter: A record or a moment is none.
    """
    from crm_steward.store.journal import within
    from crm_steward.store.written import journal

    only = within(
        connection=connection,
        kind=kind,
        since=moment_of(since, "--since"),
        until=moment_of(until, "--until"),
    )
    if ref is not None:
        only += _record(ref)
    plain = ((journal.c.rule, rule), (journal.c.run, run), (journal.c.state, outcome))
    return only + [column == value for column, value in plain if value is not None]


def _record(ref: str) -> list[sa.ColumnElement[bool]]:
    from crm_steward.model import RecordRef
    from crm_steward.store.written import journal

    try:
        record = RecordRef.parse(ref)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--record") from error
    return [journal.c.connection == record.connection, journal.c.id == record.id]


def as_document(line: Line) -> dict[str, Any]:
    """Return a line as JSON-ready values."""
    from crm_steward.model import change_to_json

    return {
        "seq": line.seq,
        "at": line.at.isoformat(),
        "state": line.state.value,
        "kind": line.kind,
        "ref": str(line.ref),
        "rule": line.rule,
        "finding": line.finding,
        "run": line.run,
        "plan": line.plan,
        "key": line.key,
        "fields": list(line.fields),
        "change": None if line.change is None else change_to_json(line.change),
        "reason": line.reason,
        "remote_id": line.remote_id,
        "undoes": line.undoes,
        "epoch": line.epoch,
        "purged_at": line.purged_at.isoformat() if line.purged_at else None,
        "hash": line.hash,
    }


def without_values(document: dict[str, Any]) -> dict[str, Any]:
    """Return a line, as `as_document` makes it, without what it says of a person's data."""
    from crm_steward.store.chain import outline

    return {**document, "change": outline(document["change"]), "reason": ""}


def jsonl(documents: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield one JSON object per line."""
    return (json.dumps(one, ensure_ascii=False) for one in documents)


def csv_lines(documents: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a CSV that no spreadsheet program takes for formulas."""
    from crm_steward.connect.neutral import disarm

    yield ",".join(COLUMNS)
    for document in documents:
        line = io.StringIO()
        cells = (disarm(cell) for cell in _cells(document))
        csv.writer(line, lineterminator="").writerow(cells)
        yield line.getvalue()


def _cells(document: dict[str, Any]) -> Iterator[str]:
    connection, _, record = document["ref"].partition(":")
    values = {**document, "connection": connection, "id": record}
    values["fields"] = ", ".join(document["fields"])
    for name in COLUMNS:
        value = values[name]
        if value is None:
            yield ""
        else:
            yield json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
