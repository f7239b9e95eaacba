"""`crm-steward connectors`: which CRMs can be connected, and what each connector can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_steward.cli.context import JsonOption, console, print_json

if TYPE_CHECKING:
    from crm_steward.connect.spec import ConnectorSpec


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("connectors")(connectors_command)


def connectors_command(
    kind: Annotated[
        str | None, typer.Argument(help="Say how to give access to this one.", metavar="[KIND]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the kinds of connection that are installed, what each can do, and what it lacks.

    With a KIND, also how to give access to it, step by step. Connectors come as plug-ins: a package that offers an entry point `crm_steward.connectors`
    appears here as soon as it is installed.
    """
    from crm_steward.connect.discovery import installed, spec_of

    found = installed()
    shown = [spec_of(kind)] if kind else list(found.specs.values())
    rows = [_row(spec) for spec in shown]
    broken = [str(problem) for problem in found.broken]
    if as_json:
        print_json({"connectors": rows, "broken": broken})
    else:
        _print(rows, broken, access=kind is not None)
    if broken:
        from crm_steward.cli.exits import Exit

        raise typer.Exit(Exit.PARTIAL)


def _row(spec: ConnectorSpec) -> dict[str, Any]:
    from importlib.util import find_spec

    missing = [module for module in spec.requires if find_spec(module) is None]
    return {
        "kind": spec.kind,
        "title": spec.title,
        "can": sorted(spec.can),
        "ready": not missing,
        "install": f"pip install 'crm-steward[{spec.kind}]'" if missing else "",
        "hosts": list(spec.hosts),
        "access": list(spec.access),
        "credentials": list(spec.secrets),
        "merge_max": spec.merge_max,
    }


def _able(word: str, row: dict[str, Any]) -> str:
    """Say how many records one merge takes, where that is more than two."""
    return f"merge ({row['merge_max']} at a time)" if word == "merge" else word


def _print(rows: list[dict[str, Any]], broken: list[str], *, access: bool) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    out = console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("kind", "CRM", "can, beyond reading", "ready"):
        table.add_column(column, overflow="fold")
    for row in rows:
        ready = "[green]yes[/]" if row["ready"] else f"[yellow]{escape(row['install'])}[/]"
        can = ", ".join(_able(word, row) for word in row["can"])
        table.add_row(f"[bold]{row['kind']}[/]", row["title"], can, ready)
    out.print(table)
    if not access:
        out.print("How to give access to one: crm-steward connectors KIND")
    for row in rows if access else ():
        out.print(f"[bold]{row['title']}[/]: how to give access")
        for number, step in enumerate(row["access"], start=1):
            out.print(f"  {number}. {escape(step)}")
        names = ", ".join(row["credentials"])
        if names:
            out.print(f"Secret settings: {escape(names)}")
    for line in broken:
        out.print(f"[red]✗[/] {escape(line)}")
