"""`crm-steward snooze` and `wake`: leave a finding alone until a date, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_steward.cli.changes import figure, plain
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_settings,
    print_json,
    this_user,
)
from crm_steward.cli.findings import SHORT, day_of, print_findings
from crm_steward.cli.snooze_input import check, digits_in, moment_in, only_one, reason_in
from crm_steward.cli.snooze_words import say

if TYPE_CHECKING:
    from rich.table import Table

    from crm_steward.settings import Settings
    from crm_steward.store.database import Database
    from crm_steward.store.findings import Findings, StoredFinding
    from crm_steward.store.snoozes import Snooze

_SHOWN = 20
_MEMBERS = 3


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("snooze")(snooze_command)
    app.command("wake")(wake_command)


def snooze_command(
    fingerprints: Annotated[
        list[str] | None,
        typer.Argument(help="Findings, by the digits that `crm-steward findings` shows."),
    ] = None,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    rule: Annotated[
        str | None, typer.Option(help="All findings of this rule that stand now, instead.")
    ] = None,
    ref: Annotated[
        str | None, typer.Option(help="With --rule: only those about this record (connection:id).")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(help="The day they wake up, 2027-01-15, or how long: '6 weeks'."),
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Why; shown wherever the snooze is. Avoid personal data.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who says so. Default: this user.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Snooze several at once. Without it, only list them.")
    ] = False,
    listing: Annotated[
        bool, typer.Option("--list", help="List the snoozes, also those that have ended.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Leave findings alone until a day: not listed, not counted as standing, nothing proposed.

    Example: `crm-steward snooze 3f9c2b7e11 --until "6 weeks" --reason "Merger under way"`. A snooze
    outlives that its finding is resolved and comes back. It ends by itself when its day begins in
    the settings' time zone, at most two years from now, or with `crm-steward wake`. Snoozing again
    replaces date and reason. `--rule` does not reach findings that are new tomorrow.
    """
    from crm_steward.model import utc_now
    from crm_steward.store.database import Database

    if listing:
        if fingerprints or rule or ref or until or reason:
            raise typer.BadParameter("it goes alone.", param_hint="--list")
        _list(config, as_json=as_json)
        return
    check(fingerprints, rule, ref)
    why = reason_in(reason)
    settings = open_settings(config)
    now = utc_now()
    end = moment_in(until, now, settings.timezone)
    with Database.open(settings.database) as database:
        meant = _chosen(database, fingerprints or (), rule, ref)
        # A rule is said of many at once: it does not shorten what was said of one.
        longer = _longer(database, now, end) if rule else set()
        found = [stored for stored in meant if stored.finding.fingerprint not in longer]
        snoozed = yes or len(found) == 1
        if snoozed:
            _snooze(database, found, until=end, reason=why, by=by, at=now)
        kept = len(meant) - len(found)
        _answer(database, settings, found, end, kept, snoozed=snoozed, as_json=as_json)


def wake_command(
    fingerprints: Annotated[
        list[str],
        typer.Argument(help="Findings, by the digits that `crm-steward snooze --list` shows."),
    ],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """End snoozes before their day: the findings are shown and acted upon again.

    Date and reason are forgotten, also those of a snooze that has ended by itself.
    """
    from crm_steward.store.database import Database
    from crm_steward.store.snoozes import Snoozes

    settings = open_settings(config)
    with Database.open(settings.database) as database:
        snoozes = Snoozes(database)
        known = snoozes.all()

        def named(beginning: str) -> list[str]:
            return [mark for mark in known if mark.startswith(beginning)]

        marks = [
            only_one(typed, named(digits_in(typed)), "snoozed finding") for typed in fingerprints
        ]
        woken = snoozes.wake(dict.fromkeys(marks))
    if as_json:
        print_json({"woken": list(dict.fromkeys(marks))})
    else:
        console().print(
            say("woken", settings.language, n=figure(woken, settings.language)), markup=False
        )


def _chosen(
    database: Database, typed: Sequence[str], rule: str | None, ref: str | None
) -> list[StoredFinding]:
    """Return the findings that are meant."""
    from crm_steward.store.findings import Findings

    findings = Findings(database)
    if rule is not None:
        return _of_rule(findings, rule, ref)
    marks = [only_one(one, findings.named(digits_in(one)), "finding") for one in typed]
    return findings.load(list(dict.fromkeys(marks)))


def _longer(database: Database, now: datetime, end: datetime) -> set[str]:
    """Return the findings that are snoozed beyond `end` already."""
    from crm_steward.store.snoozes import Snoozes

    return {mark for mark, one in Snoozes(database).active(now).items() if one.until > end}


def _of_rule(findings: Findings, rule: str, ref: str | None) -> list[StoredFinding]:
    """Return what stands of a rule, about one record or all."""
    from difflib import get_close_matches

    from crm_steward.model import RecordRef
    from crm_steward.store.findings import naming

    try:
        only = naming(RecordRef.parse(ref)) if ref else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--ref") from error
    found = list(findings.open(rule, only=only))
    if not found:
        close = get_close_matches(rule, findings.rules() - {rule}, n=1)
        guess = f" (did you mean '{close[0]}'?)" if close else ""
        about = f" about {ref}" if ref else ""
        raise typer.BadParameter(f"no finding of rule '{rule}'{about} stands{guess}.")
    return found


def _snooze(
    database: Database,
    found: Iterable[StoredFinding],
    *,
    until: datetime,
    reason: str,
    by: str | None,
    at: datetime,
) -> None:
    from crm_steward.store.snoozes import Snooze, Snoozes

    who = by or this_user()
    named = [stored.finding for stored in found]
    Snoozes(database).snooze(
        Snooze(
            fingerprint=one.fingerprint, rule=one.rule, until=until, reason=reason, by=who, at=at
        )
        for one in named
    )


def _answer(
    database: Database,
    settings: Settings,
    found: Sequence[StoredFinding],
    end: datetime,
    kept: int,
    *,
    snoozed: bool,
    as_json: bool,
) -> None:
    """Say what was snoozed, or would be."""
    marks = [stored.finding.fingerprint for stored in found]
    day = end.astimezone(settings.timezone).date().isoformat()
    if as_json:
        print_json(
            {"snoozed": snoozed, "until": day, "fingerprints": marks, "snoozed_for_longer": kept}
        )
        return
    out, language = console(), settings.language
    if found and not snoozed:
        _preview(database, settings, found)
    if found:
        said = say(
            "done" if snoozed else "preview",
            language,
            n=figure(len(found), language),
            day=day,
            mark=marks[0][:SHORT] if len(marks) == 1 else "…",
        )
        out.print(said, markup=False)
    if kept:
        out.print(say("longer", language, n=figure(kept, language)), markup=False)


def _preview(database: Database, settings: Settings, found: Sequence[StoredFinding]) -> None:
    """List what would be snoozed."""
    from crm_steward.report.words import Words
    from crm_steward.store.mirror import Mirror

    shown = found[:_SHOWN]
    contacts = Mirror(database).contacts(ref for one in shown for ref in one.finding.refs)
    out, language = console(), settings.language
    print_findings(out, shown, contacts, Words(language, settings.timezone))
    if len(found) > _SHOWN:
        more = figure(len(found) - _SHOWN, language)
        out.print(say("more", language, n=more), markup=False)


def _list(config: Path, *, as_json: bool) -> None:
    """Print every snooze, the first to end first."""
    from crm_steward.model import utc_now
    from crm_steward.store.database import Database
    from crm_steward.store.findings import Findings
    from crm_steward.store.snoozes import Snoozes

    settings, now = open_settings(config), utc_now()
    with Database.open(settings.database) as database:
        snoozes = Snoozes(database).all()
        known = Findings(database).load(list(snoozes))
    found = {stored.finding.fingerprint: stored for stored in known}
    if as_json:
        listed = [
            _as_document(snooze, found.get(mark), settings.timezone, now)
            for mark, snooze in snoozes.items()
        ]
        print_json(listed)
    elif snoozes:
        console().print(_table(snoozes.values(), found, settings, now))
    else:
        console().print(say("none", settings.language), markup=False)


def _as_document(
    snooze: Snooze, stored: StoredFinding | None, zone: tzinfo, now: datetime
) -> dict[str, Any]:
    return {
        "fingerprint": snooze.fingerprint,
        "rule": snooze.rule,
        "refs": [str(ref) for ref in stored.finding.refs] if stored else [],
        "state": stored.state if stored else None,
        "until": day_of(snooze, zone),
        "active": snooze.until > now,
        "reason": snooze.reason,
        "by": snooze.by,
        "at": snooze.at.isoformat(),
    }


def _table(
    snoozes: Iterable[Snooze],
    found: Mapping[str, StoredFinding],
    settings: Settings,
    now: datetime,
) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    language = settings.language
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("fingerprint", "rule", "records", "until", "reason", "by"):
        table.add_column(say(name, language), overflow="fold")
    for snooze in snoozes:
        day = day_of(snooze, settings.timezone)
        until = day if snooze.until > now else say("ended", language, day=day)
        table.add_row(
            Text(snooze.fingerprint[:SHORT]),
            Text(plain(snooze.rule)),
            Text(_records(found.get(snooze.fingerprint), language)),
            Text(until),
            Text(plain(snooze.reason, 200)),
            Text(plain(snooze.by)),
            style="" if snooze.until > now else "dim",
        )
    return table


def _records(stored: StoredFinding | None, language: str) -> str:
    """Name the records of a snoozed finding, and say when it does not stand."""
    if stored is None:
        return ""
    refs = stored.finding.refs
    said = [plain(ref) for ref in refs[:_MEMBERS]]
    if len(refs) > _MEMBERS:
        said.append(say("more", language, n=len(refs) - _MEMBERS))
    if stored.state != "open":
        said.append(say("resolved", language))
    return "\n".join(said)
