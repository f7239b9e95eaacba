"""What the demo did: read off its database, shown as a panel or as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crm_steward.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the demo found, changed and leaves to decide.

    Args:
        contacts: How many live contacts were looked at.
        connections: How many of them each connection has.
        shared: How many e-mail addresses are known to more than one connection.
        quarantined: How many could not be read.
        rules: With how many rules.
        standing, resolved: Findings.
        written: Changes that were written and verified.
        waiting: Changes of the plan that need approval.
        plan: The plan's name.
        files: What the files in the demo's folder are.
        seconds, loop_seconds: Wall time, installation apart.
        failed: Commands that did not end well.
    """

    contacts: int
    connections: dict[str, int]
    shared: int
    quarantined: int
    rules: int
    standing: int
    resolved: int
    written: int
    waiting: int
    plan: str
    files: dict[str, list[str]]
    seconds: float
    loop_seconds: float
    failed: tuple[str, ...]


def read_counts(database: Database) -> dict[str, Any]:
    """Return the counts of a summary, from the database."""
    import sqlalchemy as sa

    from crm_steward.store.tables import contacts, findings, journal, plans, quarantine

    number = sa.func.count
    known_twice = (
        sa.select(contacts.c.email_key)
        .where(contacts.c.gone_at.is_(None), contacts.c.email_key.is_not(None))
        .group_by(contacts.c.email_key)
        .having(number(contacts.c.connection.distinct()) > 1)
        .subquery()
    )
    queries = {
        "contacts": sa.select(number()).where(contacts.c.gone_at.is_(None)),
        "shared": sa.select(number()).select_from(known_twice),
        "quarantined": sa.select(number()).select_from(quarantine),
        "standing": sa.select(number()).where(findings.c.state == "open"),
        "resolved": sa.select(number()).where(findings.c.state == "resolved"),
        "written": sa.select(number()).where(journal.c.state == "verified"),
    }
    newest = sa.select(plans.c.content).where(plans.c.status == "open")
    newest = newest.order_by(plans.c.created_at.desc()).limit(1)
    with database.read() as reading:
        counts: dict[str, Any] = {
            name: reading.execute(query).scalar() or 0 for name, query in queries.items()
        }
        plan = reading.execute(newest).scalar() or {"changes": [], "hash": ""}
        by_connection = sa.select(contacts.c.connection, number()).where(
            contacts.c.gone_at.is_(None)
        )
        rows = reading.execute(by_connection.group_by(contacts.c.connection))
        counts["connections"] = {row[0]: row[1] for row in rows}
    waiting = sum(not one["automatic"] for one in plan["changes"])
    return {**counts, "waiting": waiting, "plan": plan["hash"]}


def files_of(folder: Path) -> dict[str, list[str]]:
    """Return what the demo left in `folder`, by what it is."""
    return {
        "report": [str(path) for path in sorted(folder.glob("report.*.html"))],
        "as mailed": [str(path) for path in sorted(folder.glob("mail/*.eml"))],
        "plan": [str(folder / "plan.json"), str(folder / "plan.txt")],
        "settings": [str(folder / "crm-steward.yaml")],
        "rules": [str(path) for path in sorted(folder.glob("rules/*.yaml"))],
        "database": [str(folder / "crm-steward.db")],
        "corrected file": [str(path) for path in sorted(folder.glob("contacts.corrected.*"))],
    }


def print_summary(summary: Summary) -> None:
    """Print the summary as a panel."""
    from rich import box
    from rich.panel import Panel
    from rich.table import Table

    from crm_steward.cli.context import console

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    aside = f"; {summary.quarantined} could not be read" if summary.quarantined else ""
    table.add_row("looked at", f"{summary.contacts:,} contacts with {summary.rules} rules{aside}")
    by_connection = ", ".join(f"{name} {n:,}" for name, n in summary.connections.items())
    table.add_row("in", f"{by_connection}; {summary.shared:,} addresses are known to several")
    table.add_row(
        "found", f"{summary.standing:,} findings stand, {summary.resolved:,} are resolved already"
    )
    table.add_row(
        "changed", f"{summary.written:,} changes written, each compared before and checked after"
    )
    table.add_row(
        "waits", f"{summary.waiting:,} changes wait for your approval in plan {summary.plan}"
    )
    for what, paths in summary.files.items():
        table.add_row(what, "\n".join(paths))
    table.add_row(
        "took", f"{summary.seconds:.0f} s, of which the loop {summary.loop_seconds:.0f} s"
    )
    out = console()
    out.print()
    panel = Panel(table, title="crm-steward demo", box=box.ROUNDED, expand=False, padding=(1, 2))
    out.print(panel)
