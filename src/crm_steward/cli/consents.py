"""`crm-steward consents`: what holds for a person, all records taken together, and where they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
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

if TYPE_CHECKING:
    from crm_steward.model import RecordRef
    from crm_steward.report.words import Words
    from crm_steward.rules.standing import Standing
    from crm_steward.settings.models import Settings

_HEADS = (
    ("channel", "canal"),
    ("purpose", "finalité"),
    ("what holds", "ce qui vaut"),
    ("said by", "selon"),
    ("otherwise", "autrement"),
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("consents")(consents_command)


def consents_command(
    record: Annotated[
        str | None, typer.Argument(metavar="REF", help="A record, connection:id.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    conflicts: Annotated[
        bool, typer.Option("--conflicts", help="Every address about which records disagree.")
    ] = False,
    show_addresses: Annotated[
        bool, typer.Option("--show-addresses", help="Print the addresses, too: personal data.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what holds for each address, channel and purpose: the strictest status of all records.

    Records of all connections that share an address count. Either REF, or --conflicts.

    Example: `crm-steward consents hubspot-eu:4711`.
    """
    from crm_steward.model import ConfigError, Problem
    from crm_steward.report.words import Words

    if (record is None) is not conflicts:
        raise ConfigError([Problem("give a record (connection:id), or --conflicts")])
    settings = open_settings(config)
    found = _found(settings, record)
    if as_json:
        print_json([_document(one, show_address=show_addresses) for one in found])
        return
    words = Words(settings.language, settings.timezone)
    if not found:
        console().print(words.either("Nothing is said.", "Rien n'est dit."))
        return
    _print(found, words, show_addresses=show_addresses)


def _found(settings: Settings, record: str | None) -> list[Standing]:
    from contextlib import closing

    from crm_steward.model import ConfigError, Problem, RecordRef
    from crm_steward.rules.sql import Statement
    from crm_steward.rules.standing import standings
    from crm_steward.store.database import Database
    from crm_steward.store.relation import open_relation

    try:
        ref = RecordRef.parse(record) if record is not None else None
        with Database.open(settings.database) as database, closing(open_relation(database)) as con:
            return list(standings(con, Statement(datetime.now(UTC)), ref))
    except ValueError as error:
        raise ConfigError([Problem(str(error))]) from None
    except LookupError:
        raise ConfigError([Problem(f"the mirror holds no record {record}")]) from None


def _document(standing: Standing, *, show_address: bool) -> dict[str, Any]:
    """Return it as JSON-ready values; the address only where it was asked for."""
    return {
        **({"address": standing.address} if show_address else {}),
        "channel": standing.channel,
        "purpose": standing.purpose,
        "status": standing.status,
        "decided_by": [str(ref) for ref in standing.decided],
        "otherwise": [str(ref) for ref in standing.others],
    }


def _print(found: Sequence[Standing], words: Words, *, show_addresses: bool) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from crm_steward.cli.changes import plain

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    if show_addresses:
        table.add_column(words.either("address", "adresse"), overflow="fold")
    for head in _HEADS:
        table.add_column(words.either(*head), overflow="fold")
    for one in found:
        row = [
            *([plain(one.address)] if show_addresses else []),
            words.known("channel", one.channel, "email"),
            plain(one.purpose, 40),
            words.known("consent", one.status, "unknown"),
            _refs(one.decided),
            _refs(one.others),
        ]
        table.add_row(*map(Text, row))
    console().print(table)


def _refs(refs: Sequence[RecordRef]) -> str:
    return "\n".join(map(str, refs))
