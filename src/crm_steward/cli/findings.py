"""`crm-steward findings`: list what stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_steward.cli.changes import room_for, who, word
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_settings,
    print_json,
)

if TYPE_CHECKING:
    from rich.console import Console

    from crm_steward.model import Contact, RecordRef
    from crm_steward.report.words import Words
    from crm_steward.store.findings import StoredFinding

_MEMBERS = 5
"""Records of one group that are named."""
_COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "dim"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("findings")(findings_command)


def findings_command(
    config: ConfigOption = DEFAULT_CONFIG,
    rule: Annotated[str | None, typer.Option(help="Only findings of this rule.")] = None,
    connection: Annotated[
        str | None, typer.Option(help="Only findings that touch this connection.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to list.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the findings that stand, worst first: which rule, which records, and what is wrong.

    Example: `crm-steward findings --rule duplicate-contact --limit 10`. With --json each has its
    evidence in full. Why a record is caught or not: `crm-steward rules explain RULE RECORD`.
    """
    from crm_steward.report.words import Words
    from crm_steward.store.database import Database
    from crm_steward.store.findings import Findings
    from crm_steward.store.mirror import Mirror

    settings = open_settings(config)
    with Database.open(settings.database) as database:
        found = list(islice(Findings(database).open(rule, connection), limit + 1))
        listed = found[:limit]
        contacts = Mirror(database).contacts(ref for one in listed for ref in one.finding.refs)
    if as_json:
        print_json([as_document(stored) for stored in listed])
        return
    out = console()
    words = Words(settings.language, settings.timezone)
    for name, group in groupby(listed, key=lambda stored: stored.finding.rule):
        _print_group(out, name, list(group), contacts, words)
    if not listed:
        out.print("Nothing stands. (Has crm-steward pull and crm-steward scan been run?)")
    if len(found) > limit:
        out.print(f"… and more: use --limit, --rule or --connection (shown: {limit}).")


def _print_group(
    out: Console,
    rule: str,
    group: Sequence[StoredFinding],
    contacts: Mapping[RecordRef, Contact],
    words: Words,
) -> None:
    """Print the findings of one rule."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from crm_steward.cli.evidence import in_words

    label = group[0].finding.severity.label
    out.print(Text.assemble((words(f"severity.{label}"), _COLOURS[label]), "  ", (rule, "bold")))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    refs = [ref for stored in group for ref in stored.finding.refs[:_MEMBERS]]
    table.add_column(word("record", words.language), overflow="fold", min_width=room_for(refs))
    for name in ("found", "since"):
        table.add_column(word(name, words.language), overflow="fold")
    for stored in group:
        members = stored.finding.refs
        records = [who(ref, contacts) for ref in members[:_MEMBERS]]
        if len(members) > _MEMBERS:
            records.append(Text(f"… {words('members.more', n=len(members) - _MEMBERS)}", "dim"))
        since = Text(f"{stored.first_seen_at:%Y-%m-%d}", "dim")
        table.add_row(Text("\n").join(records), Text(in_words(stored.finding, words)), since)
    out.print(table)


def as_document(stored: StoredFinding) -> dict[str, Any]:
    """Return a finding as JSON-ready values."""
    finding = stored.finding
    return {
        "fingerprint": finding.fingerprint,
        "rule": finding.rule,
        "kind": finding.kind,
        "severity": finding.severity.label,
        "refs": [str(ref) for ref in finding.refs],
        "about": finding.about,
        "score": finding.score,
        "evidence": dict(finding.evidence),
        "first_seen_at": stored.first_seen_at.isoformat(),
        "last_seen_at": stored.last_seen_at.isoformat(),
        "openings": stored.openings,
    }
