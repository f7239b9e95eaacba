"""`crm-steward redirects`: which old ids lead to which record, for other systems."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crm_steward.cli.context import DEFAULT_CONFIG, ConfigOption, chosen, open_settings
from crm_steward.cli.moments import moment_of

if TYPE_CHECKING:
    from crm_steward.store.redirects import Redirect

COLUMNS = ("connection", "old_id", "surviving_id", "at")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("redirects")(redirects_command)


def redirects_command(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    form: Annotated[
        Literal["jsonl", "csv"], typer.Option("--format", help="How each line is written.")
    ] = "jsonl",
    since: Annotated[
        str | None,
        typer.Option(
            help="Only what is new since this moment (2026-01-31, or the `at` of the last line read)."
        ),
    ] = None,
    connection: Annotated[
        list[str] | None,
        typer.Option("--connection", help="Only this connection (may be repeated)."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write to this file, whole or not at all.")
    ] = None,
) -> None:
    """List the ids of records that were merged away, each with the record that stands for it now.

    For systems that know a contact by its CRM id: a shop, a data warehouse, an e-mailing tool. A
    chain of merges leads to its end. Lines come in the order in which the merges became known;
    give the `at` of the last line as --since the next time: nothing is left out, and what became
    known in the quarter of an hour before comes once more. A line replaces an earlier one of the
    same old id.
    """
    from crm_steward.cli.exports import replacing
    from crm_steward.store.database import Database
    from crm_steward.store.redirects import redirects

    moment = moment_of(since, "--since")
    settings = open_settings(config)
    only = chosen(settings, connection) if connection else ()
    with Database.open(settings.database) as database:
        found = redirects(database, since=moment, connections=only)
    lines = _WRITERS[form](found)
    if output is None:
        for line in lines:
            typer.echo(line)
        return
    with replacing(output) as stream:
        stream.writelines(line.encode() + b"\n" for line in lines)


def _cells(redirect: Redirect) -> Mapping[str, str]:
    values = (
        redirect.old.connection,
        redirect.old.id,
        redirect.survivor.id,
        redirect.at.isoformat(),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _jsonl(found: Iterable[Redirect]) -> Iterator[str]:
    return (json.dumps(_cells(one), ensure_ascii=False) for one in found)


def _csv(found: Iterable[Redirect]) -> Iterator[str]:
    from crm_steward.connect.neutral import disarm

    for row in (COLUMNS, *(_cells(one).values() for one in found)):
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(map(disarm, row))
        yield line.getvalue()


_WRITERS = {"jsonl": _jsonl, "csv": _csv}
