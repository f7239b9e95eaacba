"""`crm-steward duplicates train`, `weights`: what evidence weighs, learned from this base or shipped."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    bar,
    console,
    open_settings,
    print_json,
)
from crm_steward.cli.duplicates_search import RuleOption, searching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from crm_steward.matching import Weights
    from crm_steward.matching.worth import Worth
    from crm_steward.report.words import Words
    from crm_steward.settings import Settings
    from crm_steward.store.database import Database

_SHOWN = 10
"""Changes that are shown."""


def register(duplicates: typer.Typer) -> None:
    """Add the commands."""
    duplicates.command("train")(train_command)
    duplicates.command("weights")(weights_command)


def train_command(*, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Learn from this base what evidence for duplicates weighs; nobody has to say which are some.

    Rules with `weights: learned` use what was learned last, from their next scan on; all
    others go on as before. Measure what it is worth with `crm-steward duplicates evaluate`. It wants
    about a thousand pairs of records that are one person.
    """
    from crm_steward.matching import SHIPPED
    from crm_steward.matching.training import changes
    from crm_steward.report.words import Words
    from crm_steward.store.database import Database

    settings = open_settings(config)
    with Database.open(settings.database) as database:
        weights = _learn(settings, database)
    changed = changes(SHIPPED, weights)[:_SHOWN]
    if as_json:
        keys = ("comparison", "level", "shipped", "learned")
        print_json(
            {
                "version": weights.version,
                "source": weights.source,
                "changes": [dict(zip(keys, one, strict=True)) for one in changed],
            }
        )
        return
    words = Words(settings.language, settings.timezone)
    console().print(_changes(changed, words))
    line = words.either(
        "Learned and kept as {version}. Rules use it with `weights: learned`.",
        "Appris et conservé sous {version}. Les règles s'en servent avec `weights: learned`.",
        version=weights.version,
    )
    console().print(line, markup=False)


def _learn(settings: Settings, database: Database) -> Weights:
    """Learn from the mirror, and keep it."""
    from contextlib import closing

    from crm_steward.matching import COLUMNS
    from crm_steward.matching.training import ENOUGH, TooFewPairsError, train
    from crm_steward.model import InputError, utc_now
    from crm_steward.store.learned import Learned, Lesson
    from crm_steward.store.relation import open_relation

    now = utc_now()
    title = "apprentissage" if settings.language == "fr" else "learning"
    with bar(title), closing(open_relation(database, columns=COLUMNS)) as con:
        contacts = con.execute("SELECT count(*) FROM contacts").fetchall()[0][0]
        try:
            weights = train(con, now.astimezone(settings.timezone).date())
        except TooFewPairsError as error:
            raise InputError(
                f"this base holds too few duplicates to learn from: about {error.pairs} pairs of "
                f"one person, of the {ENOUGH} that are needed.",
                hint="The shipped weights are used as before.",
            ) from None
    Learned(database).save(
        Lesson(
            version=weights.version,
            content=weights.to_json(),
            learned_at=now,
            contacts=contacts,
        )
    )
    return weights


def weights_command(
    *,
    rule: RuleOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show what evidence weighs for a rule: how often one person shows it, and what it proves here.

    Bits are against two strangers: one more doubles the odds. A value that nobody else bears proves
    more than one that is as common as most values of this base.
    """
    from crm_steward.matching.worth import worths
    from crm_steward.report.words import Words
    from crm_steward.store.database import Database

    settings = open_settings(config)
    with (
        Database.open(settings.database) as database,
        searching(settings, database, rule) as search,
    ):
        weights = search.wanted.weights
        found = worths(search.con, weights, search.narrowed)
    if as_json:
        print_json(
            {
                "rule": search.rule or None,
                "version": weights.version,
                "source": weights.source,
                "strangers_odds": weights.strangers_odds,
                "family_odds": weights.family_odds,
                "levels": [
                    {**asdict(one), "rare": round(one.rare, 2), "typical": round(one.typical, 2)}
                    for one in found
                ],
            }
        )
        return
    words = Words(settings.language, settings.timezone)
    console().print(_worths(found, words))
    name = f" [{search.rule}]" if search.rule else ""
    console().print(f"{weights.version}{name}: {weights.source}", markup=False)


def _changes(changed: Sequence[tuple[str, str, float, float]], words: Words) -> Table:
    from crm_steward.report.comparisons import comparison, seen

    shown = words.either("changed most", "ce qui a le plus changé")
    table = _begun(
        (shown, words.either("seen", "constaté")),
        (words.either("shipped", "fourni"), words.either("learned", "appris")),
    )
    for name, level, before, after in changed:
        table.add_row(
            comparison(name, words.language),
            seen(level, words.language),
            words.percent(before),
            words.percent(after),
        )
    return table


def _worths(found: Sequence[Worth], words: Words) -> Table:
    from crm_steward.report.comparisons import comparison, seen

    table = _begun(
        (words.either("compared", "comparé"), words.either("seen", "constaté")),
        (
            words.either("one person", "une personne"),
            words.either("a family", "une famille"),
            words.either("bits if rare", "bits si rare"),
            words.either("bits if common", "bits si courant"),
        ),
    )
    last = ""
    for one in found:
        name = "" if one.comparison == last else comparison(one.comparison, words.language)
        last = one.comparison
        table.add_row(
            name,
            seen(one.level, words.language),
            words.percent(one.same),
            words.percent(one.family),
            words.number(one.rare, 1),
            words.number(one.typical, 1),
        )
    return table


def _begun(left: Sequence[str], right: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in left:
        table.add_column(head)
    for head in right:
        table.add_column(head, justify="right")
    return table
