"""`crm-steward connectors`: which CRMs can be connected, and what each connector can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from crm_steward.cli.context import JsonOption, console, print_json

if TYPE_CHECKING:
    from crm_steward.connect.spec import ConnectorSpec


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("connectors")(connectors_command)


def connectors_command(as_json: JsonOption = False) -> None:
    """Show the kinds of connection that are installed, what each can do, and what it lacks.

    Connectors come as plug-ins: a package that offers an entry point `crm_steward.connectors`
    appears here as soon as it is installed.
    """
    from crm_steward.connect.discovery import installed

    found = installed()
    rows = [_row(spec) for spec in found.specs.values()]
    broken = [str(problem) for problem in found.broken]
    if as_json:
        print_json({"connectors": rows, "broken": broken})
    else:
        _print(rows, broken)
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
    }


def _print(rows: list[dict[str, Any]], broken: list[str]) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    out = console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("kind", "CRM", "can, beyond reading", "ready"):
        table.add_column(column, overflow="fold")
    for row in rows:
        ready = "[green]yes[/]" if row["ready"] else f"[yellow]{escape(row['install'])}[/]"
        table.add_row(f"[bold]{row['kind']}[/]", row["title"], ", ".join(row["can"]), ready)
    out.print(table)
    for row in rows:
        out.print(f"[bold]{row['title']}[/]: how to give access")
        for number, step in enumerate(row["access"], start=1):
            out.print(f"  {number}. {escape(step)}")
    for line in broken:
        out.print(f"[red]✗[/] {escape(line)}")
