"""`crm-steward journal`: what was written, when, by which rule, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_steward.cli.changes import plain
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_settings,
    print_json,
)

if TYPE_CHECKING:
    from rich.table import Table

    from crm_steward.store.journal import Line

_COLOURS = {
    "verified": "green",
    "rejected": "red",
    "conflict": "yellow",
    "unknown": "magenta",
    "absent": "yellow",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("journal")(journal_command)


def journal_command(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    ref: Annotated[str | None, typer.Option(help="Only this record (connection:id).")] = None,
    rule: Annotated[str | None, typer.Option(help="Only changes of this rule.")] = None,
    run: Annotated[str | None, typer.Option(help="Only this run.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many lines.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show the journal, newest line first.

    Each change is an `intent` line with the values before and after, written before the CRM is
    called, and a line that says what became of it. Lines are never changed or removed.
    """
    from crm_steward.model import RecordRef
    from crm_steward.store.database import Database
    from crm_steward.store.journal import Journal

    try:
        record = RecordRef.parse(ref) if ref else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--ref") from error
    settings = open_settings(config)
    with Database.open(settings.database) as database:
        lines = Journal(database).lines(ref=record, rule=rule, run=run, limit=limit)
    if as_json:
        print_json([as_document(line) for line in lines])
    elif lines:
        console().print(_table(lines))
    else:
        console().print("Nothing was written yet.")


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
        "change": None if line.change is None else change_to_json(line.change),
        "reason": line.reason,
        "remote_id": line.remote_id,
        "undoes": line.undoes,
        "epoch": line.epoch,
    }


def _table(lines: list[Line]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("at (UTC)", "state", "record", "what", "rule", "run", "key"):
        table.add_column(name, overflow="fold")
    for line in lines:
        table.add_row(
            f"{line.at:%Y-%m-%d %H:%M:%S}",
            Text(line.state.value, _COLOURS.get(line.state.value, "dim")),
            Text(plain(line.ref)),
            Text(_what(line)),
            Text(line.rule),
            Text(line.run, "dim"),
            Text(line.key[:10], "dim"),
        )
    return table


def _what(line: Line) -> str:
    """Return what the line says, on one line."""
    from crm_steward.model import CloseTask, CreateTask, MergeRecords, UpdateFields

    undoes = f"undoes {line.undoes}: " if line.undoes is not None else ""
    match line.change:
        case UpdateFields(values=values, expected=expected):
            said = ", ".join(
                f"{name}: {plain(expected.get(name))} → {plain(value)}"
                for name, value in values.items()
            )
        case MergeRecords(losers=losers):
            said = f"merge: {', '.join(plain(loser) for loser in losers)} into it"
        case CreateTask(title=title):
            said = f"task: {plain(title)}"
        case CloseTask(task=task, reason=why):
            said = f"close task {plain(task)}: {plain(why)}"
        case None:
            said = plain(line.reason or line.remote_id)
        case _:
            said = line.kind
    return undoes + said
