"""`crm-steward check`: is everything right, and if not, what is to be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crm_steward.cli.context import DEFAULT_CONFIG, ConfigOption, JsonOption, console, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crm_steward.cli.checks import Result

_MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "failed": "[red]✗[/]"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check_command)


def check_command(
    config: ConfigOption = DEFAULT_CONFIG,
    connection: Annotated[
        list[str] | None,
        typer.Option("--connection", help="Only this connection (may be repeated); default: all."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify settings, rules, database, every connection and the mail server.

    Prints a line for each, with the remedy where something is wrong. Nothing is changed and no
    mail is sent. The exit code tells the gravest kind of failure: 7 the database, 3 settings or
    rules, 4 a credential or a scope, 5 a CRM out of reach, 9 the mail server, 1 something
    missing in a CRM that not every rule needs.
    """
    from crm_steward.cli.checks import checks
    from crm_steward.cli.exits import Exit

    results = _shown(checks(config, connection), quiet=as_json)
    codes = [result.code for result in results]
    code = min(codes, key=list(Exit).index, default=Exit.OK)
    if as_json:
        print_json(
            {
                "ok": all(one.ok for one in results),
                "exit": int(code),
                "checks": [one.to_json() for one in results],
            }
        )
    else:
        _summary(results)
    if code is not Exit.OK:
        raise typer.Exit(code)


def _shown(results: Iterable[Result], *, quiet: bool) -> list[Result]:
    """Print each result as it comes: some take seconds."""
    from rich.markup import escape

    out, seen = console(), []
    for result in results:
        seen.append(result)
        if not quiet:
            out.print(
                f"{_MARKS[result.state]} [bold]{escape(result.name)}[/] {escape(result.text)}"
            )
            if result.remedy:
                out.print(f"    → {escape(result.remedy)}")
    return seen


def _summary(results: list[Result]) -> None:
    failed = sum(not result.ok for result in results)
    warned = sum(result.state == "warning" for result in results)
    notes = f", {warned} to look at" if warned else ""
    if failed:
        console().print(f"\n[red]{failed} of {len(results)} checks failed[/]{notes}.")
    else:
        console().print(f"\n[green]All {len(results)} checks passed[/]{notes}.")
