"""`crm-steward duplicates explain`: why two records are taken for one person, or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_steward.cli.changes import label, plain, valued
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_settings,
    print_json,
)
from crm_steward.cli.duplicates_search import RuleOption, searching

if TYPE_CHECKING:
    from rich.table import Table

    from crm_steward.matching.explaining import Explained
    from crm_steward.model import Contact, RecordRef
    from crm_steward.report.words import Words
    from crm_steward.settings import Settings
    from crm_steward.store.database import Database
    from crm_steward.store.decisions import Decision

RecordArgument = Annotated[
    str, typer.Argument(metavar="RECORD", help="A record: connection:id.", show_default=False)
]
_WIDTH = 40
"""Characters of the waterfall."""
_COMPARED = (
    "first_name",
    "last_name",
    "full_name",
    "email",
    "phone",
    "mobile",
    "company",
    "street",
    "postcode",
    "city",
    "birth_date",
)
"""The fields that are compared, as they are shown."""
_VERDICTS = MappingProxyType(
    {
        "found": ("Found, in a group of {n} records", "Trouvées, dans un groupe de {n} fiches"),
        "grouped": (
            "Not found as a pair, but other records hold them in one group of {n}",
            "Pas trouvées comme paire, mais d'autres fiches les tiennent dans un groupe de {n}",
        ),
        "parted": (
            "Not found: they would be a pair, but other records of the group contradict it",
            "Pas trouvées : elles feraient une paire, mais d'autres fiches du groupe la contredisent",
        ),
        "below": (
            "Not found: too little speaks for it",
            "Pas trouvées : trop peu le laisse penser",
        ),
        "not compared": (
            "Not found: they share nothing for which two records are compared",
            "Pas trouvées : elles n'ont rien en commun pour quoi l'on compare deux fiches",
        ),
        "apart": (
            "Not found: the rule looks inside one connection only",
            "Pas trouvées : la règle ne regarde qu'à l'intérieur d'une connexion",
        ),
    }
)
_SURE = (
    ("to be looked at by a person", "à regarder par une personne"),
    ("this pair is sure", "cette paire est sûre"),
)
_SAID = MappingProxyType(
    {
        "same": (
            "{by} said on {on} that they are one person",
            "{by} a dit le {on} que c'est une même personne",
        ),
        "different": (
            "{by} said on {on} that they are not one person",
            "{by} a dit le {on} que ce n'est pas une même personne",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked, and what came of it."""

    rule: str
    left: RecordRef
    right: RecordRef
    explained: Explained
    decision: Decision | None


def register(duplicates: typer.Typer) -> None:
    """Add the command."""
    duplicates.command("explain")(explain_command)


def explain_command(
    left: RecordArgument,
    right: RecordArgument,
    *,
    rule: RuleOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Say why two records are taken for one person, or not: what each comparison adds or takes.

    Example: `crm-steward duplicates explain hubspot-eu:4711 zoho-fr:99`. Evidence is counted in
    bits: one more doubles the odds, 0 is as likely as not, 6.6 is 99 %. The whole base is searched,
    as the last pull left it, for how common a value is depends on all.
    """
    from crm_steward.report.words import Words
    from crm_steward.store.database import Database
    from crm_steward.store.mirror import Mirror

    pair = _pair(left, right)
    settings = open_settings(config)
    with Database.open(settings.database) as database:
        asked = _ask(settings, database, pair, rule)
        contacts = Mirror(database).contacts(pair)
    if as_json:
        print_json(_document(asked))
    else:
        _print(asked, contacts, Words(settings.language, settings.timezone))


def _pair(left: str, right: str) -> tuple[RecordRef, RecordRef]:
    from crm_steward.model import RecordRef

    try:
        pair = RecordRef.parse(left), RecordRef.parse(right)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if pair[0] == pair[1]:
        raise typer.BadParameter("name two different records.")
    return pair


def _ask(
    settings: Settings, database: Database, pair: tuple[RecordRef, RecordRef], rule: str | None
) -> _Asked:
    from crm_steward.matching.explaining import explain
    from crm_steward.model import InputError
    from crm_steward.store.decisions import Decisions
    from crm_steward.store.mirror import Mirror

    for ref in pair:
        if not Mirror(database).contacts([ref]):
            raise InputError(f"no live contact {ref} in the mirror.", hint="Has it been pulled?")
    with searching(settings, database, rule) as search:
        if search.wanted.engine != "sql":
            raise InputError(
                f"the rule '{search.rule}' asks {search.wanted.engine}, which does not say why.",
                hint="Choose another rule with --rule.",
            )
        try:
            explained = explain(search.con, search.wanted, *pair, search.narrowed)
        except LookupError as error:
            raise InputError(
                f"the rule '{search.rule}' does not look at {error.args[0]}.",
                hint=f"See `crm-steward rules explain {search.rule} {error.args[0]}`.",
            ) from None
    holding = (one for one in Decisions(database).holding() if {one.left, one.right} == {*pair})
    return _Asked(search.rule, *pair, explained, next(holding, None))


def _document(asked: _Asked) -> dict[str, Any]:
    one, said = asked.explained, asked.decision
    return {
        "rule": asked.rule or None,
        "records": [str(asked.left), str(asked.right)],
        "probability": round(one.probability, 4),
        "bits": round(one.bits, 2),
        "against": one.against,
        "prior": round(one.prior, 2),
        "comparisons": [
            {**asdict(part), "bits": round(part.bits, 2), "one_in": round(part.one_in)}
            for part in one.parts
        ],
        "others": round(one.others, 2),
        "levels": list(one.levels),
        "verdict": one.verdict,
        "found": one.group > 0,
        "certainty": "sure" if one.sure else "review",
        "decision": said
        and {"verdict": said.verdict.value, "by": said.by, "at": said.at.isoformat()},
    }


def _print(asked: _Asked, contacts: Mapping[RecordRef, Contact], words: Words) -> None:
    from rich.text import Text

    from crm_steward.report.comparisons import against, signed

    out, one, french = console(), asked.explained, words.language == "fr"
    out.print(_values(asked, contacts, words))
    out.print(_waterfall(one, words))
    likely = words.either(
        "One person: {percent} ({bits} bits), against {other}",
        "Une même personne : {percent} ({bits} bits), contre {other}",
        percent=words.percent(one.probability),
        bits=signed(one.bits, words),
        other=against(one.against, words.language),
    )
    out.print(Text(likely, "bold"))
    named = words.listed([words.known("level", name) for name in one.levels])
    none = words.either("none", "aucun")
    out.print(words.either("Levels: {named}", "Niveaux : {named}", named=named or none))
    verdict = words.either(*_VERDICTS[one.verdict], n=one.group)
    how = f" ({_SURE[one.sure][french]})" if one.verdict == "found" else ""
    by = f" [{asked.rule}]" if asked.rule else ""
    out.print(Text(f"{verdict}{how}.{by}", "green" if one.group else ""))
    if asked.decision is not None:
        who, day = plain(asked.decision.by), words.day(asked.decision.at)
        said = words.either(*_SAID[asked.decision.verdict.value], by=who, on=day)
        reason = f": {plain(asked.decision.reason)}" if asked.decision.reason else ""
        out.print(Text(f"{said}{reason}.", "bold"))


def _values(asked: _Asked, contacts: Mapping[RecordRef, Contact], words: Words) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    pair = (asked.left, asked.right)
    for ref in pair:
        table.add_column(plain(ref), overflow="fold")
    for name in _COMPARED:
        held = [contacts[ref].value(name) if ref in contacts else None for ref in pair]
        if any(held):
            shown = [str(one)[:10] if name == "birth_date" and one else one for one in held]
            table.add_row(
                label(name, words.language), *(valued(one, words.language, "") for one in shown)
            )
    return table


def _waterfall(one: Explained, words: Words) -> Table:
    """Return the evidence step by step: each bar begins where the one above it ended."""
    from rich import box
    from rich.bar import Bar
    from rich.table import Table

    from crm_steward.report.comparisons import against, comparison, rare, seen, signed

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(words.either("compared", "comparé"))
    table.add_column(words.either("seen", "constaté"))
    table.add_column(words.either("among strangers", "entre inconnus"))
    table.add_column("bits", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    before = words.either("before anything is compared", "avant toute comparaison")
    others = words.either("may be other things too", "autres possibilités")
    steps = [("", before, "", one.prior)]
    steps += [
        (
            comparison(part.comparison, words.language),
            seen(part.level, words.language),
            rare(part.one_in, words),
            part.bits,
        )
        for part in one.parts
    ]
    steps.append(("", others, "", one.others))
    reached = [0.0]
    for *_, bits in steps:
        reached.append(reached[-1] + bits)
    low, size = min(reached), max(reached) - min(reached) or 1.0
    for (name, level, seldom, bits), start, end in zip(steps, reached, reached[1:], strict=False):
        begin, stop = sorted((start - low, end - low))
        drawn = Bar(size, begin, stop, width=_WIDTH, color="green" if bits > 0 else "red")
        table.add_row(name, level, seldom, signed(bits, words), drawn)
    table.add_section()
    total = Bar(size, *sorted((-low, one.bits - low)), width=_WIDTH)
    together = against(one.against, words.language)
    said = words.either("together, against {other}", "en tout, contre {other}", other=together)
    table.add_row("", said, "", signed(one.bits, words), total, style="bold")
    return table
