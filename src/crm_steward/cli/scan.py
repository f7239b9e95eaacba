"""`crm-steward scan`: look at the mirror with the rules."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_rules,
    open_settings,
    print_json,
    steps,
)

if TYPE_CHECKING:
    from rich.table import Table

    from crm_steward.rules import RuleBook
    from crm_steward.scan import ScanCounts


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("scan")(scan_command)


def scan_command(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Look at the mirrored contacts with the rules: what is new, standing, resolved.

    Nothing is written to a CRM. See `crm-steward findings` for the details and
    `crm-steward plan` for what would be done about them.
    """
    from crm_steward.model import utc_now
    from crm_steward.scan import scan
    from crm_steward.store.database import Database
    from crm_steward.store.lease import hold

    settings = open_settings(config)
    book = open_rules(settings)
    with Database.open(settings.database) as database, hold(database), steps("scan") as progress:
        counts = scan(database, book, clock=utc_now, progress=progress)
    if as_json:
        print_json(asdict(counts))
        return
    out = console()
    out.print(
        f"{counts.contacts:,} contacts, {len(book.rules)} rules: "
        f"[bold]{counts.new:,} new[/bold], {counts.standing:,} standing, "
        f"{counts.resolved:,} resolved, {counts.reopened:,} reopened"
    )
    out.print(by_rule(book, counts, settings.language))
    for name, reason in counts.not_examined.items():
        out.print(f"[yellow]{name} was not examined:[/yellow] {reason}; run crm-steward pull")


def by_rule(book: RuleBook, counts: ScanCounts, language: str) -> Table:
    """Return a table of how often each rule found something, worst first."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("severity")
    table.add_column("findings", justify="right")
    table.add_column("rule")
    table.add_column("about", overflow="fold")
    colours = {"critical": "red", "high": "red", "medium": "yellow", "low": "dim"}
    for rule in sorted(book.rules, key=lambda rule: (-rule.severity, -counts.by_rule[rule.id])):
        label = rule.severity.label
        found = counts.by_rule[rule.id]
        table.add_row(
            f"[{colours[label]}]{label}[/]",
            f"{found:,}",
            rule.id,
            rule.title(language),
            style="" if found else "dim",
        )
    return table
