"""`crm-steward journal`: what was written, when, by which rule, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crm_steward.cli import journal_care
from crm_steward.cli.changes import plain
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_settings,
    print_json,
)
from crm_steward.cli.journal_lines import (
    ConnectionOption,
    KindOption,
    OutcomeOption,
    RecordOption,
    RuleOption,
    RunOption,
    SinceOption,
    UntilOption,
    as_document,
    wanted,
)

if TYPE_CHECKING:
    from rich.table import Table

    from crm_steward.store.journal import Line

_COLOURS = {
    "verified": "green",
    "rejected": "red",
    "conflict": "yellow",
    "already": "green",
    "unknown": "magenta",
    "absent": "yellow",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    journal = typer.Typer(name="journal", invoke_without_command=True)
    journal.callback()(journal_command)
    journal_care.register(journal)
    app.add_typer(journal)


def journal_command(
    context: typer.Context,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    ref: RecordOption = None,
    rule: RuleOption = None,
    run: RunOption = None,
    connection: ConnectionOption = None,
    kind: KindOption = None,
    outcome: OutcomeOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=1, help="How many lines.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show the journal, newest line first; verify it, export it.

    Each change is an `intent` line with the values before and after, written before the CRM is
    called, and a line that says what became of it. Lines are never removed, and each carries a hash
    of the one before; values are purged when `journal.keep_values` of the settings is over.

    Example: `crm-steward journal --record hubspot-eu:4711 --since 2026-01-01`.
    """
    if context.invoked_subcommand is not None:
        return
    from crm_steward.store.database import Database
    from crm_steward.store.journal import Journal

    only = wanted(
        ref=ref,
        rule=rule,
        run=run,
        connection=connection,
        kind=kind,
        outcome=outcome,
        since=since,
        until=until,
    )
    settings = open_settings(config)
    with Database.open(settings.database) as database:
        lines = Journal(database).lines(limit=limit, only=only)
    if as_json:
        print_json([as_document(line) for line in lines])
    elif lines:
        console().print(_table(lines))
    elif only:
        console().print("No line fits.")
    else:
        console().print("Nothing was written yet.")


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
    from crm_steward.model import (
        CloseTask,
        CreateTask,
        LiftSuppression,
        MergeRecords,
        UpdateFields,
    )

    undoes = f"undoes {line.undoes}: " if line.undoes is not None else ""
    if line.purged_at is not None and line.state.value == "intent":
        return f"{undoes}{line.kind} {plain(', '.join(line.fields))}".rstrip() + " (purged)"
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
            said = f"close task {plain(task)}: {plain(why)}".removesuffix(": ")
        case LiftSuppression(channel=channel, reason=why, by=by):
            said = f"lift {channel.value} suppression, {plain(by)}: {plain(why)}"
        case None:
            said = plain(line.reason or line.remote_id)
        case _:
            said = line.kind
    return undoes + said
