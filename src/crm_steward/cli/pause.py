"""`crm-steward pause` and `resume`: stop writing at once, and say who did and why."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_steward.cli.changes import plain
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_rules,
    open_settings,
    print_json,
    this_user,
)
from crm_steward.cli.snooze_input import reason_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crm_steward.model import Halt
    from crm_steward.settings import Settings
    from crm_steward.store.database import Database

ConnectionOption = Annotated[
    str | None, typer.Option(help="Only what is written to this connection; default: all.")
]
RuleOption = Annotated[
    str | None, typer.Option(help="Only what this rule asks for; default: all rules.")
]
ReasonOption = Annotated[
    str | None, typer.Option(help="Why; shown wherever the pause is. Avoid personal data.")
]
ByOption = Annotated[str | None, typer.Option(help="Who says so. Default: this user.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("pause")(pause_command)
    app.command("resume")(resume_command)


def pause_command(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    connection: ConnectionOption = None,
    rule: RuleOption = None,
    reason: ReasonOption = None,
    by: ByOption = None,
    listing: Annotated[
        bool, typer.Option("--list", help="List what is stopped, and what was.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Stop writing at once: by apply, undo and the service, until it is resumed.

    Example: `crm-steward pause --connection hubspot-eu --reason "Import under way"`. A call that is
    on the wire is not called back; none goes out after it. Reading, scanning and settling go on.
    Where neither the database nor this program can be reached, make the stop file instead: see
    `halt:` in the settings.
    """
    from crm_steward.model import Halt, utc_now
    from crm_steward.store.database import Database
    from crm_steward.store.halts import Halts

    settings = open_settings(config)
    if listing:
        if connection or rule or reason:
            raise typer.BadParameter("it goes alone.", param_hint="--list")
        _list(settings, as_json=as_json)
        return
    why = reason_in(reason)
    with Database.open(settings.database) as database:
        _known(database, settings, connection, rule)
        halt = Halt(
            connection=connection or "",
            rule=rule or "",
            reason=why,
            by=by or this_user(),
            at=utc_now(),
        )
        Halts(database).stop(halt)
    if as_json:
        print_json(halt.to_json())
    else:
        _say([halt], settings.language)


def resume_command(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    connection: ConnectionOption = None,
    rule: RuleOption = None,
    reason: ReasonOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a pause, or a stop that refusals caused: under exactly the name it was made with.

    Says what still stops writing afterwards. `crm-steward pause --list` shows what stands.
    """
    from crm_steward.model import utc_now
    from crm_steward.store.database import Database
    from crm_steward.store.halts import Halts

    why = reason_in(reason)
    settings = open_settings(config)
    with Database.open(settings.database) as database:
        halts = Halts(database, settings.halt.file)
        ended = halts.end(
            connection or "", rule or "", by=by or this_user(), reason=why, at=utc_now()
        )
        left = halts.standing()
    if not ended:
        stands = "; ".join(halt.sentence("en") for halt in left) or "nothing is stopped"
        raise typer.BadParameter(f"nothing of that name is stopped. Now: {stands}.")
    if as_json:
        print_json(
            {
                "resumed": [halt.to_json() for halt in ended],
                "standing": [halt.to_json() for halt in left],
            }
        )
        return
    french = settings.language == "fr"
    resumed = "Écritures reprises." if french else "Writing is resumed."
    console().print(resumed, markup=False)
    _say(left, settings.language)


def _known(
    database: Database, settings: Settings, connection: str | None, rule: str | None
) -> None:
    """Refuse a name that nothing has: such a pause would stop nothing."""
    from crm_steward.model import ConfigError
    from crm_steward.store.findings import Findings
    from crm_steward.store.mirror import Mirror

    if connection is not None:
        _among(connection, {*settings.connections, *Mirror(database).states()}, "--connection")
    if rule is not None:
        known = set(Findings(database).rules())
        try:
            known |= {one.id for one in open_rules(settings).rules}
        except ConfigError:
            # Rules that cannot be read must not keep anybody from stopping one of them.
            typer.echo(f"crm-steward: the rules cannot be read; is '{rule}' one?", err=True)
            return
        _among(rule, known, "--rule")


def _among(name: str, known: set[str], option: str) -> None:
    if name not in known:
        close = get_close_matches(name, sorted(known), n=1)
        guess = f" (did you mean '{close[0]}'?)" if close else ""
        raise typer.BadParameter(f"there is no '{name}'{guess}.", param_hint=option)


def _say(halts: Iterable[Halt], language: str) -> None:
    for halt in halts:
        console().print(f"{plain(halt.sentence(language), 700)}.", markup=False)
        console().print(f"  {plain(halt.remedy(language), 300)}", style="dim", markup=False)


def _list(settings: Settings, *, as_json: bool) -> None:
    """Print what stops writing now, then what did."""
    from crm_steward.store.database import Database
    from crm_steward.store.halts import Halts

    with Database.open(settings.database) as database:
        halts = Halts(database, settings.halt.file)
        standing, ended = halts.standing(), [h for h in halts.all() if h.ended_at is not None]
    if as_json:
        print_json([_document(halt) for halt in (*standing, *ended)])
        return
    french = settings.language == "fr"
    if not standing:
        nothing = "Rien n'est arrêté." if french else "Nothing is stopped."
        console().print(nothing, markup=False)
    _say(standing, settings.language)
    for halt in ended:
        words = "terminé le {at}, par {by} ({why})" if french else "ended on {at} by {by} ({why})"
        said = words.format(
            at=f"{halt.ended_at:%Y-%m-%d %H:%M} UTC", by=halt.ended_by, why=halt.ended_reason
        )
        text = plain(f"{halt.sentence(settings.language)}; {said}", 1200)
        console().print(text, style="dim", markup=False)


def _document(halt: Halt) -> dict[str, Any]:
    return {
        **halt.to_json(),
        "ended_at": halt.ended_at.isoformat() if halt.ended_at else None,
        "ended_by": halt.ended_by or None,
        "ended_reason": halt.ended_reason or None,
    }
