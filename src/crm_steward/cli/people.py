"""`crm-steward people`: which records, across connections, are known to be one person."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from crm_steward.cli.changes import plain, who
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_settings,
    print_json,
)

if TYPE_CHECKING:
    from datetime import datetime

    from crm_steward.model import Contact, RecordRef
    from crm_steward.report.words import Words
    from crm_steward.store.database import Database

_Map = Mapping[str, Sequence["RecordRef"]]
"""Person → their records, as they are shown."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("people")(people_command)


def people_command(
    which: Annotated[
        str | None, typer.Argument(metavar="PERSON|REF", help="Only this person, or whose record.")
    ] = None,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    connection: Annotated[
        str | None, typer.Option(help="Only people with a record in this connection.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="How many to list; --json and --csv bring all.")
    ] = 50,
    as_json: JsonOption = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print one line per record: person, connection, id.")
    ] = False,
) -> None:
    """List the people who have several records, in one connection or across them.

    Rules of the kind `duplicates` that look everywhere say so, where they are sure; what people
    decided (`crm-steward duplicates same`, `different`) counts more. A person keeps their id.

    Example: `crm-steward people hubspot-eu:4711`.
    """
    from crm_steward.report.words import Words
    from crm_steward.store.database import Database
    from crm_steward.store.mirror import Mirror
    from crm_steward.store.people import People

    if as_json and as_csv:
        raise typer.BadParameter("it does not go with --json.", param_hint="--csv")
    settings = open_settings(config)
    with Database.open(settings.database) as database:
        made_at = People(database).made_at()
        found = _chosen(database, which, connection)
        shown = dict(islice(found.items(), limit))
        contacts = Mirror(database).contacts(ref for refs in shown.values() for ref in refs)
    if as_json:
        print_json(_document(found, made_at))
    elif as_csv:
        _print_csv(found)
    else:
        _print(found, shown, contacts, made_at, Words(settings.language, settings.timezone))


def _chosen(database: Database, which: str | None, connection: str | None) -> _Map:
    """Return the people who are meant, the one known for longest first."""
    from crm_steward.model import RecordRef
    from crm_steward.store.people import People

    known = People(database).by_person()
    if which is not None and ":" in which:
        try:
            ref = RecordRef.parse(which)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        known = {person: refs for person, refs in known.items() if ref in refs}
    elif which is not None:
        known = {which: known[which]} if which in known else {}
    if which is not None and not known:
        raise typer.BadParameter(f"nobody with several records is known as '{which}'.")
    if connection is None:
        return known
    return {
        person: refs
        for person, refs in known.items()
        if any(ref.connection == connection for ref in refs)
    }


def _document(found: _Map, made_at: datetime | None) -> dict[str, object]:
    return {
        "made_at": made_at.isoformat() if made_at else None,
        "people": [
            {"person": person, "refs": [str(ref) for ref in refs]} for person, refs in found.items()
        ],
    }


def _print_csv(found: _Map) -> None:
    """Print one line per record, safe to open in a spreadsheet."""
    from crm_steward.connect.neutral import disarm

    writer = csv.writer(sys.stdout)
    writer.writerow(("person", "connection", "id"))
    for person, refs in found.items():
        writer.writerows((person, disarm(ref.connection), disarm(ref.id)) for ref in refs)


def _print(
    found: _Map,
    shown: _Map,
    contacts: Mapping[RecordRef, Contact],
    made_at: datetime | None,
    words: Words,
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(words.either("person", "personne"), no_wrap=True)
    table.add_column(words.either("records", "fiches"), overflow="fold")
    for person, refs in shown.items():
        table.add_row(
            Text(plain(person)),
            Text("\n").join(who(ref, contacts) for ref in refs),
            end_section=True,
        )
    if shown:
        out.print(table)
    if len(found) > len(shown):
        more = words.number(len(found) - len(shown))
        out.print(words.either("… and {n} more: --limit", "… et {n} autres : --limit", n=more))
    out.print(_summary(found, made_at, words), markup=False)


def _summary(found: _Map, made_at: datetime | None, words: Words) -> str:
    """Say how many people and records there are, and how old what is known is."""
    if made_at is None:
        return words.either(
            "Nobody is known: no scan has asked a rule of the kind duplicates that looks everywhere.",
            "Personne n'est connu : aucune analyse n'a appliqué de règle du genre duplicates qui regarde partout.",
        )
    across = sum(len({ref.connection for ref in refs}) > 1 for refs in found.values())
    return words.either(
        "People with several records: {people}, in several connections: {across}. Their records: "
        "{records}. As of the scan of {at}.",
        "Personnes à plusieurs fiches : {people}, dont dans plusieurs connexions : {across}. Leurs "
        "fiches : {records}. D'après l'analyse du {at}.",
        people=words.number(len(found)),
        across=words.number(across),
        records=words.number(sum(map(len, found.values()))),
        at=words.moment(made_at),
    )
