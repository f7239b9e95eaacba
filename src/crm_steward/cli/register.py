"""`crm-steward register`: check the register of processing activities, write the record, see gaps."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_register,
    open_settings,
    print_json,
)

if TYPE_CHECKING:
    from crm_steward.report.words import Words
    from crm_steward.rules import Register

PathArgument = Annotated[
    Path | None,
    typer.Argument(
        help="A register file. Without it: that of the settings, or the shipped template.",
        show_default=False,
    ),
]
LanguageOption = Annotated[
    Literal["en", "fr"] | None,
    typer.Option("--language", "-l", help="en or fr; default: that of the settings."),
]


class Format(StrEnum):
    """How the record is written."""

    HTML = "html"
    CSV = "csv"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(
        name="register",
        help="Retention periods and the record of processing activities (GDPR, article 30).",
        no_args_is_help=True,
    )
    commands.command("lint")(lint)
    commands.command("export")(export)
    commands.command("fields")(fields)
    commands.command("template")(template)
    commands.command("schema")(schema)
    app.add_typer(commands)


def _opened(path: Path | None, config: Path, language: str | None) -> tuple[Register, str]:
    """Return the register meant, and the language to speak."""
    from crm_steward.rules import load_register, shipped_register

    if path is not None:
        return load_register(path, language or "en"), language or "en"
    if not config.exists() and config == DEFAULT_CONFIG:
        return load_register(shipped_register(), language or "en"), language or "en"
    settings = open_settings(config)
    speak = language or settings.language
    return open_register(settings, speak), speak


def lint(
    path: PathArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the register: every mistake in one go, as file:line:column.

    Ends with exit code 3 when there is a mistake. Texts in [brackets] are named: they are still to
    be filled in.
    """
    from crm_steward.cli.exits import Exit
    from crm_steward.cli.rules import as_problem
    from crm_steward.model import ConfigError
    from crm_steward.rules.messages import say

    try:
        read, speak = _opened(path, config, language)
    except ConfigError as error:
        if not as_json:
            raise
        problems = [as_problem(one) for one in error.problems]
        print_json({"activities": None, "periods": None, "blanks": None, "problems": problems})
        raise typer.Exit(Exit.CONFIG) from None
    activities, periods = [one.id for one in read.content.activities], list(read.periods)
    blanks = read.blanks(speak)
    if as_json:
        counted = {"activities": activities, "periods": periods, "blanks": blanks}
        print_json({**counted, "problems": []})
        return
    out = console()
    out.print(
        say("register_right", speak, activities=len(activities), periods=len(periods)),
        markup=False,
    )
    if blanks:
        out.print(say("register_blanks", speak, blanks=blanks), style="yellow", markup=False)


def export(
    path: PathArgument = None,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    form: Annotated[
        Format, typer.Option("--format", help="html: a page to print. csv: a table.")
    ] = Format.HTML,
    language: LanguageOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Write it to this file instead of the terminal.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the record of processing activities that article 30 of the GDPR asks for.

    Example: `crm-steward register export --out register.html`. In a table, no cell can be taken for
    a formula.
    """
    import json

    from crm_steward.model import utc_now
    from crm_steward.report.record import as_record_document, render_record

    read, speak = _opened(path, config, language)
    if as_json:
        document = as_record_document(read, speak)
        content = (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()
    elif form is Format.CSV:
        content = _table(read, speak)
    else:
        content = render_record(read, speak, utc_now()).encode()
    _write(content, out, speak)


def _table(read: Register, language: str) -> bytes:
    """Return the record as CSV that no spreadsheet program runs anything of."""
    import csv
    import io

    from crm_steward.connect.neutral import disarm
    from crm_steward.report.record import record_rows
    from crm_steward.report.words import plain

    def safe(cell: str) -> str:
        return disarm("\n".join(plain(line, len(line) + 1) for line in cell.split("\n")))

    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([safe(cell) for cell in row] for row in record_rows(read, language))
    # The mark at the start tells Excel that it is UTF-8.
    return text.getvalue().encode("utf-8-sig")


def _write(content: bytes, out: Path | None, language: str) -> None:
    if out is None:
        typer.get_binary_stream("stdout").write(content)
        return
    from crm_steward.cli.exports import replacing
    from crm_steward.rules.messages import say

    with replacing(out) as stream:
        stream.write(content)
    console().print(say("written", language, file=out), markup=False)


def fields(
    config: ConfigOption = DEFAULT_CONFIG,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which fields contacts fill, and which activity of the register covers each.

    Ends with exit code 1 when a filled field is covered by none: it may be data nobody needs
    (GDPR 5(1)(c)), or an activity nobody wrote down (30). Contacts are looked at as the last pull
    left them.
    """
    from contextlib import closing

    from crm_steward.cli.exits import Exit
    from crm_steward.report.words import Words
    from crm_steward.rules.coverage import filled_fields
    from crm_steward.store.database import Database
    from crm_steward.store.relation import open_relation

    settings = open_settings(config)
    speak = language or settings.language
    read = open_register(settings, speak)
    with Database.open(settings.database) as database, closing(open_relation(database)) as con:
        filled = filled_fields(con)
    missing = [name for name in filled if name not in read.fields]
    if as_json:
        listed = [
            {"field": name, "contacts": count, "activities": read.covering(name)}
            for name, count in filled.items()
        ]
        print_json({"fields": listed, "uncovered": missing})
    else:
        _print_fields(read, filled, missing, Words(speak, settings.timezone))
    if missing:
        raise typer.Exit(Exit.PARTIAL)


def _print_fields(
    read: Register, filled: Mapping[str, int], missing: list[str], words: Words
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from crm_steward.cli.changes import plain
    from crm_steward.rules.messages import say

    out, language = console(), words.language
    if not filled:
        out.print(say("fields_none", language))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(say("column_field", language), overflow="fold")
    table.add_column(say("column_contacts", language), justify="right")
    table.add_column(say("column_activities", language), overflow="fold")
    for name, count in filled.items():
        label = Text.assemble(words.field(name), "  ", (plain(name), "dim"))
        covered = Text(", ".join(read.covering(name)))
        nobody = Text(f"✗ {say('covered_by_none', language)}", "bold red")
        table.add_row(label, words.number(count), nobody if name in missing else covered)
    out.print(table)
    if missing:
        named = ", ".join(map(plain, missing))
        out.print(Text(f"{say('fields_missing', language, count=len(missing))} {named}", "red"))
    else:
        out.print(Text(say("fields_covered", language), "green"))


def template() -> None:
    """Print the shipped register, to be made yours: `… template > register.yaml`."""
    from crm_steward.rules import shipped_register

    typer.echo(shipped_register().read_text("utf-8"), nl=False)


def schema() -> None:
    """Print the JSON Schema of register files, for editors."""
    from crm_steward.rules.schema import register_schema

    print_json(register_schema())
