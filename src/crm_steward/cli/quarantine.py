"""`crm-steward quarantine` and `release`: what could not be read or written, and trying it once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
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
    from crm_steward.store.quarantine import Quarantined

_DIGITS = 12
_SHOWN = 50
_WORDS: dict[str, tuple[str, str]] = {
    "none": ("Nothing is set aside.", "Rien n'est mis de côté."),
    "record": ("cannot be read", "illisible"),
    "change": ("{rule}: {kind} {fields}", "{rule} : {kind} {fields}"),
    "tried": ("{n}x, last on {at} UTC", "{n}x, la dernière fois le {at} UTC"),
    "more": ("and {n} more: --all", "et {n} de plus : --all"),
    "how": (
        "Records: tried by each pull. A change: tried once more after crm-steward release KEY.",
        "Fiches : à chaque lecture. Modification : une fois après crm-steward release CLÉ.",
    ),
    "released": (
        "Released, to be tried once more by the next plan: {n}.",
        "À réessayer une fois dans le prochain plan : {n}.",
    ),
}

ConnectionOption = Annotated[str | None, typer.Option(help="Only of this connection.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("quarantine")(quarantine_command)
    app.command("release")(release_command)


def quarantine_command(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    connection: ConnectionOption = None,
    everything: Annotated[bool, typer.Option("--all", help="List all of it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List what is set aside: changes that the CRM did not take five times, and unreadable records.

    Each with its reason, never with a value. Everything else goes on without them.
    """
    from crm_steward.store.database import Database
    from crm_steward.store.quarantine import Quarantine

    settings = open_settings(config)
    with Database.open(settings.database) as database:
        found = Quarantine(database).listed(connection)
    if as_json:
        print_json([_document(one) for one in found])
        return
    _print(found, settings.language, shown=None if everything else _SHOWN)


def release_command(
    keys: Annotated[
        list[str] | None,
        typer.Argument(help="Changes, by the digits that `crm-steward quarantine` shows."),
    ] = None,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    connection: ConnectionOption = None,
    rule: Annotated[str | None, typer.Option(help="Only what this rule asks for.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All changes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Let changes that were set aside be tried once more, when what was refused is put right.

    Name them by their digits, or take all of a --connection or --rule, or --all. The next plan holds
    them again; one that is refused again is set aside again.
    """
    from crm_steward.model import utc_now
    from crm_steward.store.database import Database
    from crm_steward.store.quarantine import Quarantine
    from crm_steward.store.runs import Runs

    if not (keys or connection or rule or everything):
        raise typer.BadParameter("name changes, or --connection, --rule or --all.")
    settings = open_settings(config)
    with Database.open(settings.database) as database:
        quarantine = Quarantine(database)
        held = [
            one
            for one in quarantine.listed(connection)
            if one.key and (rule is None or one.rule == rule)
        ]
        wanted = _named(held, keys) if keys else [one.key for one in held]
        released = quarantine.release(wanted)
        runs, now = Runs(database), utc_now()
        runs.finish(
            runs.start("release", now=now), {"by": this_user(), "changes": released}, now=now
        )
    if as_json:
        print_json({"released": wanted})
    else:
        console().print(_say("released", settings.language, n=released), markup=False)


def _named(held: Sequence[Quarantined], keys: Sequence[str]) -> list[str]:
    """Return the keys that begin as given; each must name one change that is set aside."""
    found: list[str] = []
    for digits in keys:
        fitting = [one.key for one in held if one.key.startswith(digits)]
        if len(fitting) != 1:
            what = "several changes begin" if fitting else "no change that is set aside begins"
            raise typer.BadParameter(f"{what} with '{digits}'.", param_hint="KEYS")
        found += fitting
    return found


def _document(one: Quarantined) -> dict[str, Any]:
    times = {
        "first_seen_at": one.first_seen_at.isoformat(),
        "last_seen_at": one.last_seen_at.isoformat(),
    }
    return {**asdict(one), **times, "fields": list(one.fields)}


def _print(found: Sequence[Quarantined], language: str, *, shown: int | None) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = console()
    if not found:
        out.print(_say("none", language))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    for _ in range(4):
        table.add_column("", overflow="fold")
    for one in found[:shown]:
        what = _say("record", language)
        if one.key:
            kind = {"rule": one.rule, "kind": one.kind, "fields": ", ".join(one.fields)}
            what = _say("change", language, **kind).strip()
        at = f"{one.last_seen_at:%Y-%m-%d %H:%M}"
        table.add_row(
            one.key[:_DIGITS],
            Text(plain(f"{one.connection}:{one.record}", 120)),
            Text(f"{what}\n{plain(one.reason, 300)}"),
            _say("tried", language, n=one.attempts, at=at),
        )
    out.print(table)
    if shown is not None and len(found) > shown:
        out.print(_say("more", language, n=len(found) - shown), style="dim")
    out.print(_say("how", language), style="dim", markup=False)


def _say(key: str, language: str, **values: object) -> str:
    english, french = _WORDS[key]
    return (french if language == "fr" else english).format(**values)
