"""`crm-steward scan`: look at the mirror with the rules."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

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


ChangedOption = Annotated[
    bool,
    typer.Option("--changed", help="Look only at contacts that changed since the last scan."),
]


def scan_command(
    config: ConfigOption = DEFAULT_CONFIG,
    changed: ChangedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Look at the mirrored contacts with the rules: what is new, standing, resolved.

    With --changed, rules that compare contacts with each other, that are new or edited, or that
    run once a day or more seldom wait for the next scan of all contacts; so does what changes by
    the passing of time alone.

    Nothing is written to a CRM. See `crm-steward findings` for the details and
    `crm-steward plan` for what would be done about them.
    """
    from crm_steward.model import utc_now
    from crm_steward.scan import NEVER_SCANNED, scan
    from crm_steward.store.database import Database
    from crm_steward.store.lease import hold

    settings = open_settings(config)
    book = open_rules(settings)
    with Database.open(settings.database) as database, hold(database), steps("scan") as progress:
        counts = scan(database, book, clock=utc_now, changed=changed, progress=progress)
    if as_json:
        print_json(asdict(counts))
        return
    out = console()
    out.print(
        f"{counts.contacts:,} {'changed ' if changed else ''}contacts, {len(counts.by_rule)} rules: "
        f"[bold]{counts.new:,} new[/bold], {counts.standing:,} standing, "
        f"{counts.resolved:,} resolved, {counts.reopened:,} reopened"
    )
    out.print(by_rule(book, counts, settings.language))
    for name, reason in counts.not_examined.items():
        remedy = "scan" if reason == NEVER_SCANNED else "pull"
        out.print(f"[yellow]{name} was not examined:[/yellow] {reason}; run crm-steward {remedy}")
    for name, reason in counts.waiting.items():
        out.print(f"[dim]{name} waits for the next scan of all contacts: {_WAITS[reason]}[/dim]")

    for name, figures in counts.jumped.items():
        out.print(
            f"[yellow]{name} found far more than usual ({figures}):[/yellow] it only reports until "
            f"somebody accepts that: crm-steward accept {name}"
        )


_WAITS = {
    "groups": "it compares contacts with each other",
    "no keys": "the last one kept no keys of contacts for it, or an earlier version did",
    "new or edited": "it is new or was edited",
    "every": "it does not run at each scan",
}


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
    asked = [rule for rule in book.rules if rule.id in counts.by_rule]
    for rule in sorted(asked, key=lambda rule: (-rule.severity, -counts.by_rule[rule.id])):
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
