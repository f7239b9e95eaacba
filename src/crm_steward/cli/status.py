"""`crm-steward status`: how everything stands, on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_settings,
    print_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crm_steward.cli.standing import Part


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status_command)


def status_command(config: ConfigOption = DEFAULT_CONFIG, *, as_json: JsonOption = False) -> None:
    """Show how everything stands: connections, findings, plan, report, service, what stops writing.

    From the database alone: nothing is changed and no CRM is called (`crm-steward check` does
    that). Ends with 0 when nobody needs to act, with 1 when something needs a look: it is marked,
    with what to do.
    """
    from crm_steward.cli.exits import Exit
    from crm_steward.cli.standing import parts
    from crm_steward.model import utc_now
    from crm_steward.store.database import Database

    settings = open_settings(config)
    now = utc_now()
    with Database.open(settings.database) as database:
        found = list(parts(settings, database, now=now))
    fine = all(part.ok for part in found)
    if as_json:
        document = {"ok": fine, "at": now.isoformat(), "parts": [one.to_json() for one in found]}
        print_json(document)
    else:
        _print(found)
    if not fine:
        raise typer.Exit(Exit.PARTIAL)


def _print(found: Sequence[Part]) -> None:
    """Print a mark, the name and how it stands; under it what to do."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from crm_steward.cli.changes import plain

    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for part in found:
        mark = Text("✓", "green") if part.ok else Text("!", "yellow")
        text = Text(plain(part.text, 1000))
        if part.remedy:
            text.append(f"\n→ {plain(part.remedy, 1000)}", "dim" if part.ok else "yellow")
        table.add_row(mark, plain(part.name), text)
    console().print(Padding(table, (0, 0)))
