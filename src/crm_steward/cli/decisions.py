"""`crm-steward duplicates different`, `same`, `forget`, `decisions`: a person's word about records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
from crm_steward.cli.decisions_input import free_reason_in, pairs_in
from crm_steward.cli.decisions_words import say

if TYPE_CHECKING:
    from rich.table import Table

    from crm_steward.settings import Settings
    from crm_steward.store.database import Database
    from crm_steward.store.decisions import Decision, Pair, State, Verdict

WhichArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="RECORD…",
        help="Two records or more (connection:id), or findings by the digits that "
        "`crm-steward findings` shows: all their records.",
    ),
]
ReasonOption = Annotated[
    str | None, typer.Option(help="Why; shown wherever the decision is. Avoid personal data.")
]
ByOption = Annotated[str | None, typer.Option(help="Who says so. Default: this user.")]


def register(duplicates: typer.Typer) -> None:
    """Add the commands."""
    duplicates.command("different")(different_command)
    duplicates.command("same")(same_command)
    duplicates.command("forget")(forget_command)
    duplicates.command("decisions")(decisions_command)


def different_command(
    which: WhichArgument,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    always: Annotated[
        bool, typer.Option("--always", help="For good, whatever changes in the records.")
    ] = False,
    reason: ReasonOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that records are not duplicates of each other: no two of them are one person.

    Example: `crm-steward duplicates different crm:4711 crm:4712 --reason "Father and son"`. It
    holds until a name, address, number, company or birth date of either changes; with --always for
    good. The next scan resolves what was found about them.
    """
    from crm_steward.store.decisions import Verdict

    _decide(config, which, Verdict.DIFFERENT, lasting=always, reason=reason, by=by, as_json=as_json)


def same_command(
    which: WhichArgument,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    reason: ReasonOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that records are one person, whatever they hold. It holds until it is forgotten.

    Example: `crm-steward duplicates same hubspot-eu:4711 zoho-fr:99 --reason "Changed her name"`.
    """
    from crm_steward.store.decisions import Verdict

    _decide(config, which, Verdict.SAME, lasting=True, reason=reason, by=by, as_json=as_json)


def forget_command(
    which: WhichArgument, *, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """Forget what was decided about records: they are compared as if nothing had been said."""
    from crm_steward.store.database import Database
    from crm_steward.store.decisions import Decisions

    settings = open_settings(config)
    with Database.open(settings.database) as database:
        forgotten = Decisions(database).forget(pairs_in(which, database))
    if as_json:
        print_json({"forgotten": forgotten})
        return
    n = figure(forgotten, settings.language)
    name = "forgotten" if forgotten else "nothing"
    console().print(say(name, settings.language, n=n), markup=False)


def decisions_command(
    *, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """List what was decided about pairs of records, and what has lapsed because they changed."""
    from crm_steward.store.database import Database
    from crm_steward.store.decisions import Decisions

    settings = open_settings(config)
    with Database.open(settings.database) as database:
        taken = Decisions(database).all()
    if as_json:
        print_json([_as_document(one, state) for one, state in taken.items()])
    elif taken:
        console().print(_table(taken, settings))
    else:
        console().print(say("none", settings.language), markup=False)


def _decide(
    config: Path,
    which: Sequence[str],
    verdict: Verdict,
    *,
    lasting: bool,
    reason: str | None,
    by: str | None,
    as_json: bool,
) -> None:
    """Write one verdict down for all the pairs that are meant."""
    from crm_steward.model import utc_now
    from crm_steward.store.database import Database
    from crm_steward.store.decisions import Decision, Decisions

    why, who, now = free_reason_in(reason), by or this_user(), utc_now()
    settings = open_settings(config)
    with Database.open(settings.database) as database:
        taken = [
            Decision(
                left=left,
                right=right,
                verdict=verdict,
                lasting=lasting,
                reason=why,
                by=who,
                at=now,
            )
            for left, right in pairs_in(which, database)
        ]
        _agree(database, taken)
        try:
            Decisions(database).decide(taken)
        except LookupError as error:
            raise typer.BadParameter(f"the mirror holds no record {error}.") from None
    if as_json:
        print_json(
            {
                "verdict": verdict.value,
                "lasting": lasting,
                "pairs": [_named(one.pair) for one in taken],
            }
        )
        return
    n = figure(len(taken), settings.language)
    name = f"{verdict.value}_lasting" if lasting else verdict.value
    console().print(say(name, settings.language, n=n), markup=False)


def _agree(database: Database, taken: Collection[Decision]) -> None:
    """Refuse what cannot hold beside what was decided before."""
    from crm_steward.store.decisions import Decisions, contradictions

    before = Decisions(database).holding()
    replaced = {one.pair for one in taken}
    after = [*(one for one in before if one.pair not in replaced), *taken]
    known = contradictions(before)
    for one in contradictions(after):
        if one not in known:
            raise typer.BadParameter(
                f"{one.left} and {one.right} cannot be two people and, by other decisions, one. "
                "See `crm-steward duplicates decisions`, and forget what is wrong."
            )


def _named(pair: Pair) -> list[str]:
    return [str(ref) for ref in pair]


def _as_document(one: Decision, state: State) -> dict[str, Any]:
    return {
        "records": _named(one.pair),
        "verdict": one.verdict.value,
        "lasting": one.lasting,
        "state": state.value,
        "reason": one.reason,
        "by": one.by,
        "at": one.at.isoformat(),
    }


def _table(taken: Mapping[Decision, State], settings: Settings) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    language = settings.language
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("records", "verdict", "state", "reason", "by", "on"):
        table.add_column(say(f"head_{name}", language), overflow="fold")
    for one, state in taken.items():
        holds = state.value == "holds"
        standing = "lasts" if holds and one.lasting else state.value
        table.add_row(
            Text("\n".join(plain(ref) for ref in one.pair)),
            Text(say(f"verdict_{one.verdict.value}", language)),
            Text(say(f"state_{standing}", language)),
            Text(plain(one.reason, 200)),
            Text(plain(one.by)),
            Text(f"{one.at.astimezone(settings.timezone):%Y-%m-%d}"),
            style="" if holds else "dim",
        )
    return table
