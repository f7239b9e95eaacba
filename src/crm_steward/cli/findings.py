"""`crm-steward findings`: list what stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from itertools import groupby, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_steward.cli.changes import plain, room_for, who
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_settings,
    print_json,
)
from crm_steward.cli.snooze_words import say
from crm_steward.cli.wording import word

if TYPE_CHECKING:
    from rich.console import Console

    from crm_steward.model import Contact, RecordRef
    from crm_steward.report.words import Words
    from crm_steward.store.findings import StoredFinding
    from crm_steward.store.snoozes import Snooze

_MEMBERS = 5
"""Records of one group that are named."""
SHORT = 10
"""Digits of a fingerprint that are shown; eight of them name a finding to `crm-steward snooze`."""
_NONE: Mapping[str, Snooze] = MappingProxyType({})
_COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "dim"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("findings")(findings_command)


def findings_command(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    rule: Annotated[str | None, typer.Option(help="Only findings of this rule.")] = None,
    connection: Annotated[
        str | None, typer.Option(help="Only findings that touch this connection.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to list.")] = 50,
    snoozed: Annotated[
        bool, typer.Option("--snoozed", help="List the snoozed ones instead, and why.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the findings that stand, worst first: which rule, which records, and what is wrong.

    Example: `crm-steward findings --rule duplicate-contact --limit 10`. With --json each has its
    evidence in full. Those that were snoozed (`crm-steward snooze`) are left out, and counted below
    the list. Why a record is caught or not: `crm-steward rules explain RULE RECORD`.
    """
    from crm_steward.model import utc_now
    from crm_steward.report.words import Words
    from crm_steward.store.database import Database
    from crm_steward.store.findings import Findings
    from crm_steward.store.mirror import Mirror
    from crm_steward.store.snoozes import Snoozes, asleep

    settings = open_settings(config)
    with Database.open(settings.database) as database:
        now, findings = utc_now(), Findings(database)
        only = asleep(now) if snoozed else ~asleep(now)
        found = list(islice(findings.open(rule, connection, only=only), limit + 1))
        listed = found[:limit]
        contacts = Mirror(database).contacts(ref for one in listed for ref in one.finding.refs)
        snoozes = Snoozes(database).active(now) if snoozed else {}
        hidden = 0 if snoozed else findings.count(rule, connection, only=asleep(now))
    words = Words(settings.language, settings.timezone)
    if as_json:
        print_json([as_document(stored, snoozes, settings.timezone) for stored in listed])
        return
    out = console()
    print_findings(out, listed, contacts, words, snoozes)
    if not listed and snoozed:
        out.print(say("none", words.language), markup=False)
    elif not listed and not hidden:
        out.print("Nothing stands. (Has crm-steward pull and crm-steward scan been run?)")
    if len(found) > limit:
        out.print(f"… and more: use --limit, --rule or --connection (shown: {limit}).")
    if hidden:
        out.print(say("hidden", words.language, n=words.number(hidden)), markup=False)


def print_findings(
    out: Console,
    listed: Iterable[StoredFinding],
    contacts: Mapping[RecordRef, Contact],
    words: Words,
    snoozes: Mapping[str, Snooze] = _NONE,
) -> None:
    """Print findings, rule by rule; where there are snoozes, until when and why."""
    for _, group in groupby(listed, key=lambda stored: stored.finding.rule):
        _print_group(out, list(group), contacts, words, snoozes)


def _print_group(
    out: Console,
    group: Sequence[StoredFinding],
    contacts: Mapping[RecordRef, Contact],
    words: Words,
    snoozes: Mapping[str, Snooze],
) -> None:
    """Print the findings of one rule."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from crm_steward.cli.evidence import in_words

    rule, label = group[0].finding.rule, group[0].finding.severity.label
    out.print(Text.assemble((words(f"severity.{label}"), _COLOURS[label]), "  ", (rule, "bold")))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    refs = [ref for stored in group for ref in stored.finding.refs[:_MEMBERS]]
    table.add_column(word("record", words.language), overflow="fold", min_width=room_for(refs))
    for name in ("found", "since"):
        table.add_column(word(name, words.language), overflow="fold")
    for name in ("until", "reason") if snoozes else ():
        table.add_column(say(name, words.language), overflow="fold")
    table.add_column(say("fingerprint", words.language), no_wrap=True, style="dim")
    for stored in group:
        members = stored.finding.refs
        records = [who(ref, contacts) for ref in members[:_MEMBERS]]
        if len(members) > _MEMBERS:
            records.append(Text(f"… {words('members.more', n=len(members) - _MEMBERS)}", "dim"))
        since = Text(f"{stored.first_seen_at:%Y-%m-%d}", "dim")
        mark = stored.finding.fingerprint
        snooze = snoozes.get(mark)
        why = [day_of(snooze, words.zone), plain(snooze.reason, 200)] if snooze else []
        table.add_row(
            Text("\n").join(records),
            Text(in_words(stored.finding, words)),
            since,
            *map(Text, why),
            Text(mark[:SHORT]),
        )
    out.print(table)


def day_of(snooze: Snooze, zone: tzinfo) -> str:
    """Return the day on which a snooze ends."""
    return snooze.until.astimezone(zone).date().isoformat()


def as_document(
    stored: StoredFinding, snoozes: Mapping[str, Snooze], zone: tzinfo
) -> dict[str, Any]:
    """Return a finding as JSON-ready values, with its snooze when it has one."""
    finding = stored.finding
    snooze = snoozes.get(finding.fingerprint)
    asleep = {"snoozed_until": day_of(snooze, zone), "reason": snooze.reason} if snooze else {}
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
        **asleep,
    }
