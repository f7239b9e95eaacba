"""`crm-steward duplicates evaluate`: how good a rule is, where somebody knows who is one person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
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
from crm_steward.cli.duplicates_search import RuleOption, Search, searching

if TYPE_CHECKING:
    from rich.table import Table

    from crm_steward.cli.truth import Truth
    from crm_steward.matching.evaluating import Quality
    from crm_steward.matching.work import Work
    from crm_steward.model import RecordRef
    from crm_steward.report.words import Words

_NAMED = 20
"""Unknown records that are named one by one."""
_BAR = 20
"""Characters of a bar that stands for 100 %."""


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """How good a rule is.

    Args:
        rule: Its id; empty without one.
        records: How many records of the mirror the file speaks of.
        unknown: Record that the mirror does not hold → its line.
        figures: Measure and certainty → how good.
        curve: Threshold → how good, pair by pair.
    """

    rule: str
    records: int
    unknown: Mapping[RecordRef, int]
    figures: Mapping[tuple[str, str], Quality]
    curve: Mapping[float, Quality]


def register(duplicates: typer.Typer) -> None:
    """Add the command."""
    duplicates.command("evaluate")(evaluate_command)


def evaluate_command(
    *,
    truth: Annotated[
        Path,
        typer.Option(
            help="A CSV file of what is known: the columns connection, id and person, or left, "
            "right (connection:id) and same (yes, no).",
            show_default=False,
        ),
    ],
    curve: Annotated[
        bool,
        typer.Option(
            "--threshold-curve", help="Also for every probability that `at_least` may be."
        ),
    ] = False,
    rule: RuleOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Measure how good a rule for duplicates is, on records of which you know who is one person.

    Example: `crm-steward duplicates evaluate --truth known.csv --threshold-curve`. Precision is how
    much of what is found is right, recall how much of what is right is found. Nothing is written.
    """
    from crm_steward.cli.truth import read_truth
    from crm_steward.report.words import Words
    from crm_steward.store.database import Database

    settings = open_settings(config)
    known = read_truth(truth)
    with (
        Database.open(settings.database) as database,
        searching(settings, database, rule) as search,
    ):
        found = _evaluated(search, known, curve=curve)
    if as_json:
        print_json(_document(found))
    else:
        _print(found, Words(settings.language, settings.timezone))


def _evaluated(search: Search, known: Truth, *, curve: bool) -> _Evaluation:
    from crm_steward.matching import matched
    from crm_steward.matching.evaluating import THRESHOLDS, b_cubed
    from crm_steward.model import InputError

    rows = search.con.execute("SELECT connection, id FROM contacts").fetchall()
    mirror = set(rows)
    unknown = {
        ref: line for ref, line in known.lines.items() if (ref.connection, ref.id) not in mirror
    }
    here = known.without(set(unknown))
    if not here.people and not here.pairs:
        raise InputError(
            "the mirror holds no record that the file names.", hint="Has it been pulled?"
        )
    figures: dict[tuple[str, str], Quality] = {}
    by_threshold: dict[float, Quality] = {}
    with matched(search.con, search.wanted, search.narrowed) as work:
        for certainty, where in (("all", "true"), ("sure", "sure")):
            groups = _groups(work, where)
            figures["pairs", certainty] = _pairs(groups, here)
            if here.people:
                figures["b_cubed", certainty] = b_cubed(groups, here.people)
        for threshold in THRESHOLDS if curve else ():
            by_threshold[threshold] = _at(threshold, work, search, here)
    records = len(known.lines) - len(unknown)
    return _Evaluation(search.rule, records, unknown, figures, by_threshold)


def _groups(work: Work, where: str) -> dict[RecordRef, int]:
    from crm_steward.model import RecordRef

    rows = work.run(
        "SELECT p.connection, p.id, group_n FROM matching.members "
        "JOIN matching.records p USING (n) JOIN matching.groups USING (group_n) "
        f"WHERE {where}"
    ).fetchall()
    return {RecordRef(connection, record): group for connection, record, group in rows}


def _pairs(groups: Mapping[RecordRef, int], known: Truth) -> Quality:
    from crm_steward.matching.evaluating import of_pairs, pairwise

    return pairwise(groups, known.people) if known.people else of_pairs(groups, known.pairs)


def _at(threshold: float, work: Work, search: Search, known: Truth) -> Quality:
    from crm_steward.matching.matches import group

    group(work, replace(search.wanted, at_least=threshold))
    return _pairs(_groups(work, "true"), known)


def _document(found: _Evaluation) -> dict[str, Any]:
    figures: dict[str, dict[str, Any]] = {}
    for (measure, certainty), quality in found.figures.items():
        figures.setdefault(measure, {})[certainty] = _numbers(quality)
    return {
        "rule": found.rule or None,
        "records": found.records,
        "unknown": [{"line": line, "record": str(ref)} for ref, line in found.unknown.items()],
        **figures,
        "curve": [
            {"at_least": threshold, **_numbers(quality)}
            for threshold, quality in found.curve.items()
        ],
    }


def _numbers(quality: Quality) -> dict[str, float | None]:
    shown = {"precision": quality.precision, "recall": quality.recall, "f1": quality.f1}
    return {name: None if one is None else round(one, 4) for name, one in shown.items()}


def _print(found: _Evaluation, words: Words) -> None:
    out = console()
    if found.unknown:
        out.print(_said_unknown(found.unknown, words), markup=False)
    name = found.rule or words.either("all evidence together", "tous les indices ensemble")
    head = words.either(
        "{rule}: {n} records of which is known who they are",
        "{rule} : {n} fiches dont on sait qui elles sont",
        rule=name,
        n=found.records,
    )
    out.print(head, markup=False)
    out.print(_table(found, words))
    if ("b_cubed", "all") not in found.figures:
        line = words.either(
            "Pairs say nothing of whole groups: B³ wants a file of people.",
            "Des paires ne disent rien de groupes entiers : B³ demande un fichier de personnes.",
        )
        out.print(line, markup=False)
    if found.curve:
        out.print(_curve(found, words))


def _said_unknown(unknown: Mapping[RecordRef, int], words: Words) -> str:
    from crm_steward.cli.changes import plain

    line = words.either("line {n}: {ref}", "ligne {n} : {ref}", n="{n}", ref="{ref}")
    named = [line.format(n=at, ref=plain(ref)) for ref, at in list(unknown.items())[:_NAMED]]
    more = [f"… {words('members.more', n=len(unknown) - _NAMED)}"] * (len(unknown) > _NAMED)
    head = words.either(
        "Records that the mirror does not hold, and that do not count: {n}",
        "Fiches que le miroir ne contient pas, et qui ne comptent pas : {n}",
        n=len(unknown),
    )
    return "\n".join([head, *(f"  {one}" for one in [*named, *more])])


def _table(found: _Evaluation, words: Words) -> Table:
    from rich import box
    from rich.table import Table

    called = {
        ("pairs", "all"): words.either("pairs", "paires"),
        ("b_cubed", "all"): words.either("records (B³)", "fiches (B³)"),
        ("pairs", "sure"): words.either("pairs, sure groups only", "paires, groupes sûrs seuls"),
        ("b_cubed", "sure"): words.either(
            "records (B³), sure groups only", "fiches (B³), groupes sûrs seuls"
        ),
    }
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for head in _heads(words):
        table.add_column(head, justify="right")
    for key, name in called.items():
        if key in found.figures:
            table.add_row(name, *_cells(found.figures[key], words))
    return table


def _curve(found: _Evaluation, words: Words) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("at_least", *_heads(words)):
        table.add_column(head, justify="right")
    table.add_column("")
    best = max(quality.f1 for quality in found.curve.values())
    for threshold, quality in found.curve.items():
        style = "bold" if quality.f1 == best else ""
        drawn = "█" * round(quality.f1 * _BAR)
        table.add_row(words.number(threshold, 2), *_cells(quality, words), drawn, style=style)
    return table


def _heads(words: Words) -> tuple[str, str, str]:
    return words.either("precision", "précision"), words.either("recall", "rappel"), "F1"


def _cells(quality: Quality, words: Words) -> tuple[str, ...]:
    shown = (quality.precision, quality.recall, quality.f1)
    return tuple("–" if one is None else words.number(one, 3) for one in shown)  # noqa: RUF001 -- no figure
