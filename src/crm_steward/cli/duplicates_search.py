"""What `crm-steward duplicates` looks for, and where: as one rule says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from crm_steward.cli.context import bar, open_rules

if TYPE_CHECKING:
    import duckdb

    from crm_steward.matching import Narrowed, Wanted
    from crm_steward.rules import Rule
    from crm_steward.settings import Settings
    from crm_steward.store.database import Database

RuleOption = Annotated[
    str | None,
    typer.Option(
        help="The rule of the kind duplicates that is meant. Default: the first that looks "
        "everywhere; without one, all evidence together from a probability of 0.5.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Search:
    """A search for duplicates that has not begun.

    Args:
        con: Holds the contacts.
        rule: The rule's id; empty without one.
        wanted: What makes two records duplicates.
        narrowed: Which records are looked at.
    """

    con: duckdb.DuckDBPyConnection
    rule: str
    wanted: Wanted
    narrowed: Narrowed


@contextmanager
def searching(settings: Settings, database: Database, rule: str | None) -> Iterator[Search]:
    """Load the contacts and give the search that a rule stands for, with a progress line.

    Args:
        settings: They name the rules.
        database: The store.
        rule: The rule's id; None means the first that looks everywhere.

    Raises:
        ConfigError: The rules are wrong, or there is none of that id.
    """
    from crm_steward.matching import COLUMNS, Narrowed, Wanted
    from crm_steward.model import utc_now
    from crm_steward.rules.kinds.duplicates import Duplicates, narrowed
    from crm_steward.scan import columns_read
    from crm_steward.store.relation import open_relation

    asked, now = _rule(settings, rule), utc_now()
    columns = COLUMNS if asked is None else columns_read([asked], now)
    title = "recherche de doublons" if settings.language == "fr" else "looking for duplicates"
    with bar(title), closing(open_relation(database, columns=columns)) as con:
        if asked is None or not isinstance(asked.check, Duplicates):
            yield Search(con, "", Wanted(), Narrowed())
            return
        scope = asked.scope(con, now)
        yield Search(con, asked.id, asked.check.wanted(scope), narrowed(scope))


def _rule(settings: Settings, named: str | None) -> Rule | None:
    from crm_steward.rules.kinds.duplicates import Duplicates

    book = open_rules(settings)
    if named is None:
        checks = ((rule, rule.check) for rule in book.rules)
        return next((r for r, one in checks if isinstance(one, Duplicates) and one.links), None)
    asked = book.rule(named, settings.language)
    if not isinstance(asked.check, Duplicates):
        raise typer.BadParameter(
            f"'{named}' is a rule of the kind {asked.kind}, not duplicates.", param_hint="--rule"
        )
    return asked
