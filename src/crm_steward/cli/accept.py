"""`crm-steward accept`: say that a rule, or what a restored copy holds back, is right as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

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
    from crm_steward.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("accept")(accept_command)


def accept_command(
    rule: Annotated[str | None, typer.Argument(help="The rule that is held back.")] = None,
    *,
    after_restore: Annotated[
        bool,
        typer.Option(
            "--after-restore",
            help="Instead of a rule: let the day's limits count what the database knows.",
        ),
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    by: Annotated[str | None, typer.Option(help="Who says so. Default: this user.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Let a rule act again that found far more than usual, or whose first records were changed back.

    Look at what it found first: `crm-steward findings --rule RULE`. A rule whose canary failed begins
    with few records again; one that jumped acts within its limits.

    For a day after an older copy of the database was restored, nothing is written: the copy does
    not know how much of the day's limit is used up. `--after-restore` says that it is what the
    database knows.
    """
    if (rule is None) is not after_restore:
        raise typer.BadParameter("name a rule, or write --after-restore.", param_hint="RULE")
    settings = open_settings(config)
    french = settings.language == "fr"
    by = by or this_user()
    if rule is None:
        accepted = _count(settings, by)
        said = _COUNTED_FR if french else _COUNTED
    else:
        accepted = _release(settings, rule, by)
        said = ("{rule} peut de nouveau agir." if french else "{rule} may act again.").format(
            rule=rule
        )
    if as_json:
        print_json(accepted)
        return
    console().print(said, markup=False)


_COUNTED = "The day's limits count what the database knows."
_COUNTED_FR = "Les limites du jour comptent ce que la base connaît."


def _count(settings: Settings, by: str) -> dict[str, object]:
    """Let limits count what the database knows, after a copy was restored."""
    from crm_steward.model import utc_now
    from crm_steward.store.database import Database
    from crm_steward.store.forgotten import Forgotten
    from crm_steward.store.runs import Runs

    with Database.open(settings.database) as database:
        forgotten, now = Forgotten.of(database), utc_now()
        if forgotten is None or forgotten.counted:
            raise typer.BadParameter(
                "no restored copy holds anything back.", param_hint="--after-restore"
            )
        forgotten.count(database)
        runs = Runs(database)
        accepted = {"restored": forgotten.until.isoformat()}
        runs.finish(runs.start("accept", now=now), {"by": by, **accepted}, now=now)
    return {**accepted}


def _release(settings: Settings, rule: str, by: str) -> dict[str, object]:
    """Let a rule act again."""
    from crm_steward.model import utc_now
    from crm_steward.store.canaries import Canaries
    from crm_steward.store.database import Database
    from crm_steward.store.jumps import Jumps
    from crm_steward.store.runs import Runs

    with Database.open(settings.database) as database:
        now, canaries = utc_now(), Canaries(database)
        canary = canaries.all().get(rule)
        accepted = {
            "jump": Jumps(database).accept(rule, now),
            "canary": canary is not None and bool(canary.fault) and canaries.forget(rule),
        }
        if any(accepted.values()):
            runs = Runs(database)
            run = runs.start("accept", now=now)
            runs.finish(run, {"rule": rule, "by": by, **accepted}, now=now)
    if not any(accepted.values()):
        raise typer.BadParameter(f"nothing holds the rule '{rule}' back.", param_hint="RULE")
    return {"rule": rule, **accepted}
