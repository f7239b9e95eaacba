"""`crm-steward duplicates list`: the groups that stand, those first that are worth most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

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

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from crm_steward.model import Contact, Finding, RecordRef
    from crm_steward.report.words import Words
    from crm_steward.store.ranking import Ranked

_MEMBERS = 5
"""Records of one group that are named."""
_SHORT = 10
"""Digits of a fingerprint that are shown, as `crm-steward findings` does."""
_ORDERS: Mapping[str, Callable[[Ranked], float]] = MappingProxyType(
    {
        "impact": lambda one: one.impact,
        "probability": lambda one: one.probability,
        "size": lambda one: one.size,
    }
)
_Row = tuple["Ranked", "Finding"]


def register(duplicates: typer.Typer) -> None:
    """Add the command."""
    duplicates.command("list")(list_command)


def list_command(
    *,
    by: Annotated[
        Literal["impact", "probability", "size"], typer.Option(help="What comes first.")
    ] = "impact",
    limit: Annotated[int, typer.Option(min=1, help="How many to list.")] = 50,
    sure: Annotated[
        bool | None,
        typer.Option(
            "--sure/--review",
            help="Only groups that are sure, or only those that a person should look at.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List the groups of duplicates that stand, those first that it is worth most to put right.

    Impact: the surplus records, times the probability of the weakest link, times 3 if one of them
    is a customer, 2 if one of them did something in the last 12 months.

    Example: `crm-steward duplicates list --review --limit 10`. Left out are those that are snoozed and
    those that somebody decided since the scan. Why two records are in one group: `crm-steward
    duplicates explain`.
    """
    from crm_steward.model import utc_now
    from crm_steward.report.words import Words
    from crm_steward.store.database import Database
    from crm_steward.store.findings import Findings
    from crm_steward.store.mirror import Mirror
    from crm_steward.store.ranking import ranked

    settings = open_settings(config)
    with Database.open(settings.database) as database:
        with database.read() as reading:
            all_ = ranked(reading, now=utc_now())
        found = [one for one in all_ if sure is None or one.sure is sure]
        # Ties stay in the order of fingerprints: the same list each time.
        found.sort(key=_ORDERS[by], reverse=True)
        listed = {one.fingerprint: one for one in found[:limit]}
        stored = Findings(database).load(list(listed))
        rows = [(listed[one.finding.fingerprint], one.finding) for one in stored]
        contacts = Mirror(database).contacts(ref for _, one in rows for ref in one.refs)
    if as_json:
        print_json([_document(ranked, finding) for ranked, finding in rows])
    else:
        words = Words(settings.language, settings.timezone)
        _print(rows, contacts, words, more=len(found) - len(rows))


def _document(ranked: Ranked, finding: Finding) -> dict[str, Any]:
    return {
        "fingerprint": finding.fingerprint,
        "rule": finding.rule,
        "refs": [str(ref) for ref in finding.refs],
        "impact": round(ranked.impact, 2),
        "probability": ranked.probability,
        "certainty": "sure" if ranked.sure else "review",
        "customer": ranked.customer,
        "acted_lately": ranked.acted,
        "weakest": _weakest(finding),
    }


def _weakest(finding: Finding) -> Mapping[str, Any] | None:
    """Return the pair that is least certain: what to look at first."""
    pairs = finding.evidence.get("pairs")
    return pairs[0] if isinstance(pairs, list) and pairs else None


def _print(
    rows: Sequence[_Row], contacts: Mapping[RecordRef, Contact], words: Words, *, more: int
) -> None:
    out = console()
    if not rows:
        nothing = words.either(
            "No group of duplicates stands. (Has crm-steward pull and crm-steward scan been run?)",
            "Aucun groupe de doublons. (A-t-on lancé crm-steward pull et crm-steward scan ?)",
        )
        out.print(nothing, markup=False)
        return
    out.print(_table(rows, contacts, words))
    if more:
        line = words.either("… and {n} more: --limit", "… et {n} autres : --limit", n=more)
        out.print(line, markup=False)


def _table(rows: Sequence[_Row], contacts: Mapping[RecordRef, Contact], words: Words) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("impact", justify="right")
    refs = [ref for _, finding in rows for ref in finding.refs[:_MEMBERS]]
    table.add_column(words.either("records", "fiches"), overflow="fold", min_width=room_for(refs))
    table.add_column(words.either("certainty", "certitude"), overflow="fold")
    table.add_column(words.either("weakest link", "lien le plus faible"), overflow="fold")
    table.add_column(words.either("finding", "anomalie"), no_wrap=True, style="dim")
    for ranked, finding in rows:
        members = [who(ref, contacts) for ref in finding.refs[:_MEMBERS]]
        if len(finding.refs) > _MEMBERS:
            rest = len(finding.refs) - _MEMBERS
            members.append(Text(f"… {words('members.more', n=rest)}", "dim"))
        table.add_row(
            words.number(ranked.impact, 1),
            Text("\n").join(members),
            _certainty(ranked, words),
            _link(finding, words),
            Text(finding.fingerprint[:_SHORT]),
        )
    return table


def _certainty(ranked: Ranked, words: Words) -> str:
    said = [
        f"{words.percent(ranked.probability)}, "
        + (words.either("sure", "sûr") if ranked.sure else words.either("review", "à regarder"))
    ]
    if ranked.customer:
        said.append(words.either("a customer", "un client"))
    if ranked.acted:
        said.append(words.either("acted lately", "actif récemment"))
    return "\n".join(said)


def _link(finding: Finding, words: Words) -> Text:
    from rich.text import Text

    weakest = _weakest(finding)
    if weakest is None:
        return Text()
    ends = f"{plain(weakest.get('left', ''))} – {plain(weakest.get('right', ''))}"  # noqa: RUF001 -- from … to
    return Text.assemble(words.known("level", weakest.get("level")), "\n", (ends, "dim"))
