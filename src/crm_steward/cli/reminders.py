"""`crm-steward reminders`: what comes round again, when it was last done, and that it is done now."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_steward.cli.changes import plain
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_settings,
    print_json,
    this_user,
)

if TYPE_CHECKING:
    from crm_steward.store.reminders import Deed, Reminder

_LONGEST = 500
_NAMED = ("{what}: {about}", "{what} : {about}")
_OFF = ("The settings switch all reminders off.", "Les réglages désactivent tous les rappels.")
_NOTED = ("Noted: {what}, by {by}.", "Noté : {what}, par {by}.")


class DutyName(StrEnum):
    """What can be noted as done."""

    ACCESS_REVIEW = "access-review"
    RESTORE_TEST = "restore-test"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    reminders = typer.Typer(
        name="reminders",
        help="See what comes round again and when it was last done; note that it was done.",
        invoke_without_command=True,
    )
    reminders.callback()(reminders_command)
    reminders.command("done")(done_command)
    app.add_typer(reminders)


def reminders_command(
    context: typer.Context,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List what comes round again: when it was last done, by whom, and what is overdue.

    The weekly report says the same. How often each is due stands under `reminders:` in the
    settings; 0 switches one off.
    """
    if context.invoked_subcommand is not None:
        return
    from crm_steward.model import utc_now
    from crm_steward.report.reminders import about, periods, recurring, what, where_it_stands
    from crm_steward.report.words import Words
    from crm_steward.store.database import Database
    from crm_steward.store.reminders import Reminders

    settings = open_settings(config)
    with Database.open(settings.database) as database:
        found = Reminders(database).standing(periods(settings))
    now = utc_now()
    if as_json:
        print_json([_document(one, overdue=one.overdue(now)) for one in found])
        return
    words, out = Words(settings.language, settings.timezone), console()
    if not found:
        out.print(words.either(*_OFF), markup=False)
    for one in found:
        named = words.either(*_NAMED, what=what(words, one.duty), about=about(words, one.duty))
        out.print(named, markup=False, soft_wrap=True)
        style = "red" if one.overdue(now) else None
        said = where_it_stands(words, recurring(one, now))
        out.print(f"  {plain(said)}", style=style, markup=False, soft_wrap=True)
        last = one.failed or one.done
        if last and last.note:
            out.print(f"  {plain(last.note)}", markup=False, soft_wrap=True)


def done_command(
    duty: Annotated[DutyName, typer.Argument(help="What was done.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    by: Annotated[str | None, typer.Option(help="Who did it. Default: this user.")] = None,
    note: Annotated[
        str, typer.Option(help="What was found, where the list is kept. Avoid personal data.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Note that something was done, today, by whom.

    Example: `crm-steward reminders done access-review --by "Claire Morel" --note "2 accounts closed"`.
    A restore test is better done by `crm-steward restore --test`, which notes what it finds.
    """
    from crm_steward.model import utc_now
    from crm_steward.report.reminders import what
    from crm_steward.report.words import Words
    from crm_steward.store.database import Database
    from crm_steward.store.reminders import Deed, Duty, Reminders

    said, who = " ".join(note.split()), " ".join((by or "").split()) or this_user()
    if len(said) > _LONGEST:
        raise typer.BadParameter(
            f"{len(said)} characters are too many (at most {_LONGEST}).", param_hint="--note"
        )
    settings = open_settings(config)
    deed = Deed(duty=Duty(duty.value), by=who, note=said, at=utc_now())
    with Database.open(settings.database) as database:
        Reminders(database).record(deed)
    if as_json:
        print_json(as_document(deed))
        return
    words = Words(settings.language, settings.timezone)
    noted = words.either(*_NOTED, what=what(words, deed.duty), by=who)
    console().print(plain(noted), markup=False, soft_wrap=True)


def as_document(deed: Deed) -> dict[str, Any]:
    """Return what was done as JSON-ready values."""
    return {
        "duty": deed.duty.value,
        "result": deed.result.value,
        "by": deed.by,
        "note": deed.note,
        "at": deed.at.isoformat(),
    }


def _document(one: Reminder, *, overdue: bool) -> dict[str, Any]:
    return {
        "duty": one.duty.value,
        "every_days": one.every.days,
        "done": as_document(one.done) if one.done else None,
        "failed": as_document(one.failed) if one.failed else None,
        "due": one.due.isoformat() if one.due else None,
        "overdue": overdue,
    }
