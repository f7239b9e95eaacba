"""`crm-steward rules impact`: what an edit of rules will change, before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_rules,
    open_settings,
    print_json,
)

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from crm_steward.model import Finding
    from crm_steward.report.words import Words
    from crm_steward.rules import RuleBook
    from crm_steward.rules.impact import RuleImpact
    from crm_steward.settings import Settings
    from crm_steward.store.database import Database
    from crm_steward.writing.foresee import Foreseen


def register(rules: typer.Typer) -> None:
    """Add the command to the group."""
    rules.command("impact")(impact_command)


def impact_command(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    old: Annotated[
        list[Path] | None,
        typer.Option(help="The rules before: files or folders.  [those of the last scan]"),
    ] = None,
    new: Annotated[
        list[Path] | None,
        typer.Option(help="The rules after: files or folders.  [those of the settings]"),
    ] = None,
    samples: Annotated[int, typer.Option(min=0, help="How many records to show per rule.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Show what edited rules will find and write that they did not before, and what they no longer do.

    Both run over the mirror as the last pull left it; nothing is stored and nothing is written.
    Without --old the rules are compared with those of the last scan.

    Example: edit a rule, then `crm-steward rules impact`; in CI `rules impact --old main/rules`.
    """
    from crm_steward.daemon.rulebook import rules_in
    from crm_steward.model import utc_now
    from crm_steward.rules.impact import impact
    from crm_steward.store.database import Database
    from crm_steward.store.relation import open_relation

    settings = open_settings(config)
    after = rules_in(new, settings) if new else open_rules(settings)
    now = utc_now()
    with Database.open(settings.database) as database:
        before = _before(old, settings, database)
        with closing(open_relation(database)) as con:
            impacts = impact(before, after, con, now)
        foreseen = _foreseen(impacts, settings, database, now)
    if as_json:
        print_json([_document(one, foreseen[one.rule], samples) for one in impacts])
        return
    _show(console(), impacts, foreseen, settings, samples)


def _before(old: Sequence[Path] | None, settings: Settings, database: Database) -> RuleBook:
    """Return the rules before: those named, else those of the last scan."""
    from crm_steward.daemon.rulebook import restored, rules_in
    from crm_steward.model import ConfigError, Problem
    from crm_steward.rules.messages import say
    from crm_steward.store.rulebooks import Rulebooks

    if old:
        return rules_in(old, settings)
    kept = Rulebooks(database).last()
    if kept is None:
        raise ConfigError([Problem(say("no_last_rules", settings.language))])
    return restored(kept, settings)


def _foreseen(
    impacts: Sequence[RuleImpact], settings: Settings, database: Database, now: datetime
) -> dict[str, Foreseen]:
    from crm_steward.writing.foresee import foresee

    return {
        one.rule: foresee(
            database,
            one,
            limits=settings.limits,
            abilities=settings.abilities,
            language=settings.language,
            now=now,
        )
        for one in impacts
    }


def _document(one: RuleImpact, foreseen: Foreseen, samples: int) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "edit": one.edit,
        "before": len(one.before),
        "after": len(one.after),
        "gained": len(one.gained),
        "lost": len(one.lost),
        "newly_written": dict(foreseen.newly),
        "first_run": foreseen.first_run,
        "samples": {
            "gained": [_sample(finding) for finding in one.gained[:samples]],
            "lost": [_sample(finding) for finding in one.lost[:samples]],
        },
    }


def _sample(finding: Finding) -> dict[str, Any]:
    return {"refs": [str(ref) for ref in finding.refs], "evidence": dict(finding.evidence)}


def _show(
    out: Console,
    impacts: Sequence[RuleImpact],
    foreseen: Mapping[str, Foreseen],
    settings: Settings,
    samples: int,
) -> None:
    from rich.text import Text

    from crm_steward.report.words import Words
    from crm_steward.rules.messages import say

    language = settings.language
    words = Words(language, settings.timezone)
    if not impacts:
        out.print(say("no_impact", language))
    for one in impacts:
        rule = one.new or one.old
        title = rule.title(language) if rule else ""
        edit = say(f"impact_{one.edit}", language)
        out.print(Text.assemble((one.rule, "bold"), (f" ({edit})", "dim"), f"  {title}"))
        out.print("  " + _counts(one, words))
        for sign, style, found in (("+", "green", one.gained), ("-", "red", one.lost)):
            for line in _lines(found, samples, words):
                out.print(Text(f"  {sign} {line}", style))
        for line in _written(foreseen[one.rule], words):
            out.print(Text(f"  {line}", "bold"))
        out.print()


def _counts(one: RuleImpact, words: Words) -> str:
    from crm_steward.rules.messages import say

    counts = {"before": one.before, "after": one.after, "gained": one.gained, "lost": one.lost}
    shown = {name: words.number(len(found)) for name, found in counts.items()}
    return say("impact_counts", words.language, **shown)


def _lines(found: Sequence[Finding], samples: int, words: Words) -> Iterator[str]:
    from crm_steward.cli.evidence import in_words
    from crm_steward.rules.messages import say

    for finding in found[:samples]:
        yield f"{', '.join(str(ref) for ref in finding.refs[:3])}: {in_words(finding, words)}"
    if len(found) > samples:
        yield say("impact_more", words.language, n=words.number(len(found) - samples))


def _written(foreseen: Foreseen, words: Words) -> Iterator[str]:
    from crm_steward.rules.messages import say

    if foreseen.newly:
        by_kind = ", ".join(words(f"change.{kind}", n=n) for kind, n in foreseen.newly.items())
        yield say("impact_written", words.language, n=by_kind)
        yield say("impact_canary", words.language, n=words.number(foreseen.first_run))
