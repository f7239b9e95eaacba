"""`crm-steward rules impact`: what an edit of rules will change, before it runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
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
    from rich.console import Console

    from crm_steward.model import Finding
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
    from crm_steward.model import utc_now
    from crm_steward.rules.impact import impact
    from crm_steward.store.database import Database
    from crm_steward.store.relation import open_relation

    settings = open_settings(config)
    after = _named(new, settings) if new else open_rules(settings)
    now = utc_now()
    with Database.open(settings.database) as database:
        with _before(old, settings, database) as before, closing(open_relation(database)) as con:
            impacts = impact(before, after, con, now)
        foreseen = _foreseen(impacts, settings, database, now)
    if as_json:
        print_json([_document(one, foreseen[one.rule], samples) for one in impacts])
        return
    _show(console(), impacts, foreseen, settings, samples)


def _named(paths: Sequence[Path], settings: Settings) -> RuleBook:
    from crm_steward.daemon.rulebook import load_named

    return load_named(paths, settings)


@contextmanager
def _before(
    old: Sequence[Path] | None, settings: Settings, database: Database
) -> Iterator[RuleBook]:
    """Give the rules before: those named, else those of the last scan.

    Rules that ran once may name what the connections hold no longer: they are not checked for it.
    """
    from crm_steward.model import ConfigError, Problem
    from crm_steward.rules import load_rules
    from crm_steward.rules.messages import say
    from crm_steward.store.rulebooks import Rulebooks

    if old:
        yield _named(old, settings)
        return
    kept = Rulebooks(database).last()
    if kept is None:
        raise ConfigError([Problem(say("no_last_rules", settings.language))])
    with tempfile.TemporaryDirectory(prefix="crm-steward-rules-") as folder:
        paths = []
        for number, (name, text) in enumerate(kept.items()):
            path = Path(folder) / f"{number:04d}-{Path(name).name}"
            path.write_text(text, encoding="utf-8")
            paths.append(path)
        yield load_rules(
            paths,
            language=settings.language,
            abilities=settings.abilities,
            periods=settings_periods(settings),
            excuse=True,
        )
