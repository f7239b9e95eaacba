"""`crm-steward subject export`: one person's data, from everything kept here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crm_steward.cli.context import DEFAULT_CONFIG, ConfigOption, console, open_settings
from crm_steward.cli.whom import EmailsOption, PhonesOption, RecordsOption, sought

if TYPE_CHECKING:
    from crm_steward.report.words import Words


def register(app: typer.Typer) -> None:
    """Add the commands."""
    subject = typer.Typer(
        name="subject", help="Answer a person who asks for their data.", no_args_is_help=True
    )
    subject.callback()(_group)
    subject.command("export")(export_command)
    app.add_typer(subject)


def _group() -> None:
    """Answer a person who asks for their data."""


def export_command(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    email: EmailsOption = None,
    phone: PhonesOption = None,
    record: RecordsOption = None,
    language: Annotated[
        Literal["en", "fr"] | None,
        typer.Option("--language", "-l", help="en or fr, of the page; default: the settings'."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page for people to this file.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the JSON to this file instead of standard output.")
    ] = None,
) -> None:
    """Write down all that is kept of one person, in all connections: as JSON, and as a page.

    Mirrored records, findings, decisions, planned changes, the journal, evidence of consent, pauses
    whose reason names them. What the CRMs hold beyond the mirror is theirs to export. The files are
    readable by you alone; give them to nobody before you know that it is the person who asks.
    """
    import json

    from crm_steward.cli.exports import replacing
    from crm_steward.model import utc_now
    from crm_steward.report.subject import subject_page
    from crm_steward.report.words import Words
    from crm_steward.settings import key_of
    from crm_steward.store.access import held
    from crm_steward.store.database import Database
    from crm_steward.store.tombstones import Tombstones

    who = sought(email, phone, record)
    settings = open_settings(config)
    words = Words(language or settings.language, settings.timezone)
    with Database.open(settings.database) as database:
        found = held(database, who, Tombstones(database, key_of(settings)))
    made_at = utc_now()
    document = {"made_at": made_at.isoformat(), **found}
    text = json.dumps(document, ensure_ascii=False, indent=2)
    if output is not None:
        with replacing(output) as stream:
            stream.write(text.encode())
    if html is not None:
        with replacing(html) as stream:
            stream.write(subject_page(found, words, made_at).encode())
    if output is None and html is None:
        typer.echo(text)
    else:
        _say(found, words)


def _say(found: dict[str, Any], words: Words) -> None:
    said = words.either(
        "Written: {n} records.", "Écrit : {n} fiches.", n=words.number(len(found["records"]))
    )
    console().print(said, markup=False)
