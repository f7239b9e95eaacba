"""`crm-steward restore`: put a backup in the database's place, so that nothing is doubled by it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crm_steward.cli.backup import as_document
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_settings,
    print_json,
    this_user,
)
from crm_steward.cli.reminders import as_document as deed_document

if TYPE_CHECKING:
    from rich.console import Console

    from crm_steward.model import StewardError
    from crm_steward.settings import Settings
    from crm_steward.store.reminders import Deed
    from crm_steward.store.restoring import Put

_SQLITE = "sqlite:///"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("restore")(restore_command)


def restore_command(
    file: Annotated[
        Path | None,
        typer.Argument(help="The backup. Without it: the database was put back by other means."),
    ] = None,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    made_at: Annotated[
        datetime | None,
        typer.Option(help="Without FILE: when the copy that was put back was made, in UTC."),
    ] = None,
    test: Annotated[
        bool,
        typer.Option(
            "--test", help="Restore FILE into a temporary place only, and look whether it is whole."
        ),
    ] = False,
    beside: Annotated[
        str | None,
        typer.Option(
            "--in",
            metavar="DATABASE",
            help="With --test, on PostgreSQL: the database that pg_restore put the dump into.",
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="With --test: who does it. Default: this user.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup in the database's place; what stands there is kept aside, under the name printed.

    Stop the service first. Afterwards, nothing is written to a CRM until it was read in full,
    scanned, and asked about every task, merge and archiving that the backup may have forgotten; the
    service does so by itself, and `/readyz` says what is missing. The day's limits count as used up for
    24 hours (`crm-steward accept --after-restore` says otherwise), and the report of this week is not
    sent again (but by `crm-steward report --send --again`). People who were erased since are
    erased again. Plans that were open are made anew. A PostgreSQL database is restored by
    `pg_restore`; then call this without FILE.

    With --test, the present database stands as it is and the service may run: FILE is restored into
    a temporary place, opened, its journal verified, its rows counted and compared, and the result
    noted (`crm-steward reminders`). Ends with 10 when it cannot be restored, is not whole or not of
    this database, and with 11 when its journal is not what was written. On PostgreSQL `pg_restore`
    the dump into a database of its own on the same server, and name that by --in instead of FILE.

    Ends with 7 when the files cannot be written, with 8 when a service or a command still works on the
    database, with 10 when FILE is damaged, no backup, or of a newer crm-steward. The present
    database stands then as it was.
    """
    if beside and (file or not test):
        raise typer.BadParameter("goes with --test, instead of FILE.", param_hint="--in")
    settings = open_settings(config)
    if test:
        deed, error = (
            _tested_beside(settings, beside, by, made_at) if beside else _tested(settings, file, by)
        )
        _print_test(settings, beside or str(file), deed, error, as_json=as_json)
        return
    if file is None:
        _mark(settings, made_at)
        console().print("Marked: nothing is written until all is reconciled.")
        _print_unknown(console())
        return
    put = _put(settings, file)
    if as_json:
        document = {
            **as_document(put.copied),
            "set_aside": str(put.aside) if put.aside else None,
            "erasures_replayed": put.replayed.tombstones,
            "records_erased": put.replayed.records,
            "erasures_of_another_key": put.replayed.unreadable,
        }
        print_json(document)
    else:
        _print(file, put)


def _tested(
    settings: Settings, file: Path | None, by: str | None
) -> tuple[Deed, StewardError | None]:
    from crm_steward.model import InputError, utc_now
    from crm_steward.store.database import Database
    from crm_steward.store.rehearsing import rehearsed

    if file is None:
        raise typer.BadParameter("name the backup.", param_hint="--test")
    if not settings.database.startswith(_SQLITE):
        raise InputError(
            "Only a SQLite backup is restored here; PostgreSQL has its own tools.",
            hint="createdb NAME; pg_restore --exit-on-error --dbname=NAME FILE; "
            "crm-steward restore --test --in NAME",
        )
    with Database.open(settings.database) as database:
        return rehearsed(file, database, by=by or this_user(), now=utc_now())


def _tested_beside(
    settings: Settings, name: str, by: str | None, made_at: datetime | None
) -> tuple[Deed, StewardError | None]:
    from crm_steward.model import InputError, utc_now
    from crm_steward.store.database import Database
    from crm_steward.store.rehearsing import rehearsed_beside

    if settings.database.startswith(_SQLITE):
        raise InputError(
            "--in is for PostgreSQL.", hint="Name the backup: crm-steward restore FILE --test"
        )
    known = _utc(made_at)
    with Database.open(settings.database) as database:
        return rehearsed_beside(name, database, by=by or this_user(), now=utc_now(), made_at=known)


def _print_test(
    settings: Settings, tested: str, deed: Deed, error: StewardError | None, *, as_json: bool
) -> None:
    from crm_steward.cli.exits import Exit
    from crm_steward.report.words import Words
    from crm_steward.store.reminders import Result

    if error is not None:
        raise error
    passed = deed.result is Result.DONE
    if as_json:
        print_json({"file": tested, "passed": passed, **deed_document(deed)})
    else:
        words = Words(settings.language, settings.timezone)
        said = f"{tested}: {words(f'result.{deed.result}')} ({deed.note})"
        console().print(said, style=None if passed else "red", markup=False, soft_wrap=True)
    if not passed:
        raise typer.Exit(Exit.ALTERED if deed.result is Result.ALTERED else Exit.INPUT)


def _utc(at: datetime | None) -> datetime | None:
    from datetime import UTC

    return None if at is None else at.replace(tzinfo=UTC)


def _mark(settings: Settings, made_at: datetime | None) -> None:
    from crm_steward.model import utc_now
    from crm_steward.store.database import Database
    from crm_steward.store.lease import hold
    from crm_steward.store.restored import begin

    with Database.open(settings.database) as database, hold(database):
        begin(database, made_at=_utc(made_at), now=utc_now())


def _put(settings: Settings, file: Path) -> Put:
    from crm_steward.daemon.alone import locked
    from crm_steward.model import InputError, utc_now
    from crm_steward.settings import key_of
    from crm_steward.store.cipher import key_in
    from crm_steward.store.restoring import restore

    if not settings.database.startswith(_SQLITE):
        raise InputError(
            "Only a SQLite database is restored here; PostgreSQL has its own tools.",
            hint="pg_restore --dbname=DATABASE FILE, then crm-steward restore without a file.",
        )
    path = Path(settings.database.removeprefix(_SQLITE))
    if path.exists() and file.exists() and file.samefile(path):
        raise InputError(f"{file} is the database itself.", hint="Name the backup.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        return restore(
            file,
            path,
            key_of(settings),
            now=utc_now(),
            database_key=key_in(settings.database),
        )


def _print(file: Path, put: Put) -> None:
    out, copied = console(), put.copied
    made = f" of {copied.made_at:%Y-%m-%d %H:%M} UTC" if copied.made_at else ""
    out.print(f"{file}{made} is the database now: schema {copied.schema}.", markup=False)
    out.print(f"Journal: {copied.lines:,} lines. Last hash: {copied.head}", markup=False)
    if put.aside:
        out.print(f"What stood there is kept: {put.aside}. It holds personal data.", markup=False)
    if put.replayed.tombstones:
        said = f"Erased again: {put.replayed.records} records of people erased since."
        out.print(said, markup=False)
    if put.replayed.unreadable:
        said = f"{put.replayed.unreadable} erasures were made with another key: erase them again."
        out.print(said, style="yellow", markup=False)
    out.print("Nothing is written until all is reconciled: start the service.", markup=False)
    _print_unknown(out)


def _print_unknown(out: Console) -> None:
    """Say what nobody knows after a copy was put in place, and who says otherwise."""
    limits = (
        "What was written to the CRMs before is not known: for 24 hours the day's limits count as "
        "used up, unless you say otherwise: crm-steward accept --after-restore"
    )
    report = (
        "The report of this week may have left already. It is sent again only by: "
        "crm-steward report --send --again"
    )
    for line in (limits, report):
        out.print(line, markup=False)
