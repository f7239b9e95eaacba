"""`crm-steward accept`: say that a rule that was held back is right as it is."""

from __future__ import annotations

from typing import Annotated

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


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("accept")(accept_command)


def accept_command(
    rule: Annotated[str, typer.Argument(help="The rule that is held back.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    by: Annotated[str | None, typer.Option(help="Who says so. Default: this user.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Let a rule act again that found far more than usual, or whose first records were changed back.

    Look at what it found first: `crm-steward findings --rule RULE`. A rule whose canary failed begins
    with few records again; one that jumped acts within its limits.
    """
    from crm_steward.model import utc_now
    from crm_steward.store.canaries import Canaries
    from crm_steward.store.database import Database
    from crm_steward.store.jumps import Jumps
    from crm_steward.store.runs import Runs

    settings = open_settings(config)
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
            runs.finish(run, {"rule": rule, "by": by or this_user(), **accepted}, now=now)
    if not any(accepted.values()):
        raise typer.BadParameter(f"nothing holds the rule '{rule}' back.", param_hint="RULE")
    if as_json:
        print_json({"rule": rule, **accepted})
        return
    french = settings.language == "fr"
    said = "{rule} peut de nouveau agir." if french else "{rule} may act again."
    console().print(said.format(rule=rule), markup=False)
