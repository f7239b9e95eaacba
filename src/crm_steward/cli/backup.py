"""`crm-steward backup`: a verified copy of the database while the service runs."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from crm_steward.store.backup import Copied


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backup")(backup_command)


def backup_command(
    file: Annotated[Path, typer.Argument(help="The file to make; its folder must exist.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    force: Annotated[bool, typer.Option("--force", help="Replace a file of that name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy the database to FILE, whole and verified, while the service runs.

    For SQLite; PostgreSQL is backed up by `pg_dump`. FILE holds personal data: only this user may
    read it; keep it encrypted, and none for longer than 35 days. Note the journal's last hash that
    is printed, away from this machine. The key that seals access tokens is not in it.

    Ends with 7 when the database is damaged or FILE cannot be written, with 10 when FILE exists
    or the database is not SQLite; nothing half is left then. Ends with 11 when the journal is not
    what was written: FILE is made, and holds it as it is.
    """
    from crm_steward.cli.exits import Exit
    from crm_steward.model import utc_now
    from crm_steward.store.backup import copy_to
    from crm_steward.store.database import Database

    settings = open_settings(config)
    with Database.open(settings.database) as database:
        copied = copy_to(database, file, now=utc_now(), force=force)
    if as_json:
        print_json({"file": str(file), **as_document(copied), "journal_sound": not copied.fault})
    else:
        _print(file, copied)
    if copied.fault:
        raise typer.Exit(Exit.ALTERED)


def _print(file: Path, copied: Copied) -> None:
    out = console()
    out.print(f"{file}: {copied.size:,} bytes, schema {copied.schema}, verified.", markup=False)
    out.print(f"Journal: {copied.lines:,} lines. Last hash: {copied.head}", markup=False)
    if copied.fault:
        said = f"Line {copied.fault.seq} of the journal is not what was written: journal verify."
        out.print(said, style="red", markup=False)


def as_document(copied: Copied) -> dict[str, Any]:
    """Return what a copy holds as JSON-ready values."""
    return {
        "made_at": copied.made_at and copied.made_at.isoformat(),
        "schema": copied.schema,
        "journal_lines": copied.lines,
        "journal_head": copied.head,
        "bytes": copied.size,
    }
