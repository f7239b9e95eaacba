"""`crm-steward undo`: give records back what they held before we wrote."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from crm_steward.cli.apply import WaitOption, YesOption, end, writing_to
from crm_steward.cli.changes import plain, print_changes
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_rules,
    open_settings,
    print_json,
    this_user,
)
from crm_steward.cli.wording import word

if TYPE_CHECKING:
    from crm_steward.rules import RuleBook
    from crm_steward.settings import Settings
    from crm_steward.store.database import Database
    from crm_steward.writing import Loosening, UndoResult


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
    loosen: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Lift suppressions, too: exactly as many as were shown. Needs --yes and --reason.",
        ),
    ] = None,
    reason: Annotated[
        str, typer.Option(help="Why the suppressions were a mistake; kept with the evidence.")
    ] = "",
    by: Annotated[str | None, typer.Option(help="Who answers for it. Default: this user.")] = None,
    wait: WaitOption = 30.0,
    everything: Annotated[bool, typer.Option("--all", help="List every change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take back what was written, newest change first.

    Without --yes nothing is written; it shows what would be. A field that somebody edited since is
    left alone. A task that is still open is closed where the CRM lets us, else it is named. Undone
    changes are not proposed again.

    A suppression is lifted only with --loosen and --reason, and not where anything else says no: a
    person who objected must not be contacted again. Ends with 6 when the number is not the one that
    was shown, or a CRM knows another ground; nothing was written then.
    """
    from crm_steward.store.database import Database
    from crm_steward.writing import plan_undo, undo
    from crm_steward.writing.undo import refuse_unasked

    loosening = _loosening(loosen, reason, by, yes=yes)
    settings = open_settings(config)
    book = _rules(settings)
    with Database.open(settings.database) as database:
        result = plan_undo(database, what, settings.abilities, book=book, loosening=loosening)
        if not yes:
            _preview(database, settings, what, result, everything=everything, as_json=as_json)
            return
        if loosening is not None:
            refuse_unasked(result, loosening)
            if not _agreed(loosening, settings.language):
                return
        with writing_to(settings, database) as (stop, targets):
            counts = undo(
                database,
                what,
                targets,
                abilities=settings.abilities,
                book=book,
                loosening=loosening,
                stop=stop,
                patience=timedelta(seconds=wait),
            )
    if not as_json:
        _print_impossible(result, settings.language)
        if loosening is None:
            _warn(result, settings.language)
    end(counts, stop, as_json=as_json)


def _loosening(count: int | None, reason: str, by: str | None, *, yes: bool) -> Loosening | None:
    """Return a person's word that suppressions are to be lifted, if it was given whole.

    Raises:
        BadParameter: Only a part of it was given.
    """
    from crm_steward.writing import Loosening

    if count is None:
        if reason.strip():
            raise typer.BadParameter(
                "a reason is asked for only with --loosen", param_hint="--reason"
            )
        return None
    if not reason.strip():
        raise typer.BadParameter("say why they were a mistake: --reason", param_hint="--loosen")
    if not yes:
        raise typer.BadParameter("lifting needs --yes, too", param_hint="--loosen")
    return Loosening(count=count, reason=reason.strip(), by=by or this_user())


def _rules(settings: Settings) -> RuleBook | None:
    """Return the rules; None when they are wrong: fields are given back all the same."""
    from crm_steward.model import ConfigError

    try:
        return open_rules(settings)
    except ConfigError:
        return None


def _agreed(loosening: Loosening, language: str) -> bool:
    """Ask once more on a terminal; elsewhere the options are the person's word."""
    import sys

    if not sys.stdin.isatty():
        return True
    console().print(word("lift-warning", language, n=loosening.count), style="red", markup=False)
    return typer.confirm(word("lift-sure", language, n=loosening.count))


def _warn(result: UndoResult, language: str) -> None:
    """Say what lifting suppressions would mean, and how it is asked for."""
    out, n = console(), len(result.lifts)
    if n:
        out.print(word("lift-warning", language, n=n), style="red", markup=False)
        out.print(word("lift-next", language, n=n), style="dim", markup=False)


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
                "suppressions_to_lift": len(result.lifts),
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
    _warn(result, settings.language)
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
