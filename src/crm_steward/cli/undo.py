"""`crm-steward undo`: give records back what they held before we wrote."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from crm_steward.cli.apply import WaitOption, YesOption, end, finishing, targets_of
from crm_steward.cli.changes import plain, print_changes, word
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_settings,
    print_json,
)

if TYPE_CHECKING:
    from crm_steward.settings import Settings
    from crm_steward.store.database import Database
    from crm_steward.writing import UndoResult


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("undo")(undo_command)


def undo_command(
    what: Annotated[
        str,
        typer.Argument(
            help="A run (apply-20261116-a1b2c3), a rule, a record (connection:id), or a change's key."
        ),
    ],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    yes: YesOption = False,
    wait: WaitOption = 30.0,
    everything: Annotated[bool, typer.Option("--all", help="List every change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take back what was written, newest change first.

    Without --yes nothing is written; it shows what would be. A field that somebody edited since is
    left alone. A task that is still open is closed where the CRM lets us, else it is named. Undone
    changes are not proposed again.
    """
    from crm_steward.store.database import Database
    from crm_steward.writing import plan_undo, undo

    settings = open_settings(config)
    with Database.open(settings.database) as database:
        result = plan_undo(database, what, settings.abilities)
        if not yes:
            _preview(database, settings, what, result, everything=everything, as_json=as_json)
            return
        with finishing() as stop, closing(targets_of(settings, stop)) as targets:
            counts = undo(
                database,
                what,
                targets,
                abilities=settings.abilities,
                stop=stop,
                patience=timedelta(seconds=wait),
            )
    if not as_json:
        _print_impossible(result, settings.language)
    end(counts, stop, as_json=as_json)


def _preview(
    database: Database,
    settings: Settings,
    what: str,
    result: UndoResult,
    *,
    everything: bool,
    as_json: bool,
) -> None:
    from crm_steward.store.mirror import Mirror

    if as_json:
        print_json(
            {
                "written": False,
                "changes": [item.planned.to_json() for item in result.items],
                "impossible": [
                    {"ref": str(line.ref), "kind": line.kind, "key": line.key, "why": why.value}
                    for line, why in result.impossible
                ],
            }
        )
        return
    out, changes = console(), [item.planned for item in result.items]
    contacts = Mirror(database).contacts(planned.change.ref for planned in changes)
    keys = {planned.key for planned in changes}
    shown = None if everything else 20
    print_changes(out, changes, contacts, settings.language, approved=keys, shown=shown)
    _print_impossible(result, settings.language)
    if changes:
        out.print(word("undo-next", settings.language), style="dim", markup=False)
    elif not result.impossible:
        out.print(f"Nothing that '{plain(what)}' wrote is left to undo.", markup=False)


def _print_impossible(result: UndoResult, language: str) -> None:
    out = console()
    for line, why in result.impossible:
        said = word(
            "undo-not", language, kind=line.kind, ref=plain(line.ref), why=why.said(language)
        )
        out.print(said, style="yellow", markup=False)
