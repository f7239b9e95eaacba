"""`crm-steward findings`: list what stands."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

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
    from crm_steward.store.findings import StoredFinding


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
    """List the findings that stand, worst first."""
    from crm_steward.store.database import Database
    from crm_steward.store.findings import Findings

    settings = open_settings(config)
    with Database.open(settings.database) as database:
        found = list(islice(Findings(database).open(rule, connection), limit + 1))
    listed = found[:limit]
    if as_json:
        print_json([as_document(stored) for stored in listed])
        return
    out = console()
    for stored in listed:
        finding = stored.finding
        refs = ", ".join(map(str, finding.refs))
        out.print(
            f"[bold]{finding.severity.label:8}[/bold] {finding.rule}  {refs}  "
            f"[dim]since {stored.first_seen_at:%Y-%m-%d}[/dim]",
            highlight=False,
        )
        out.print(f"         {facts(finding.evidence)}", style="dim", markup=False)
    if not listed:
        out.print("Nothing stands. (Has crm-steward pull and crm-steward scan been run?)")
    if len(found) > limit:
        out.print(f"… and more: use --limit, --rule or --connection (shown: {limit}).")


def facts(evidence: Any) -> str:
    """Return evidence on one line, in the order of its keys."""
    return "  ".join(f"{key}: {value}" for key, value in sorted(dict(evidence).items()))


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
