"""`crm-steward plan`: what would be written, as a diff a manager can read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_steward.cli.changes import (
    figure,
    owner_names,
    print_changes,
    records_of,
)
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    bar,
    chosen,
    console,
    open_rules,
    open_settings,
    print_json,
)
from crm_steward.cli.left_out import print_nobody, print_withheld
from crm_steward.cli.wording import word

if TYPE_CHECKING:
    from rich.console import Console

    from crm_steward.settings import Limits
    from crm_steward.writing import PlanResult


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan")(plan_command)


def plan_command(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    rule: Annotated[
        list[str] | None, typer.Option("--rule", help="Only this rule (may be repeated).")
    ] = None,
    connection: Annotated[
        list[str] | None,
        typer.Option("--connection", help="Only records of this connection (may be repeated)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write the plan to this file, for `crm-steward apply FILE`."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="List every change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what would be written to the CRMs: per record, what it holds now and what is proposed.

    Nothing is written to a CRM. The plan is stored, replaces the one before it, and is what
    `crm-steward apply` writes once it is approved: that and nothing else, once, while it is fresh.
    What the limits or the state of a record forbid is left out, and listed with the reason.
    """
    from crm_steward.store.database import Database
    from crm_steward.store.mirror import Mirror
    from crm_steward.store.plans import Plans
    from crm_steward.writing import make_plan

    settings = open_settings(config)
    book = open_rules(settings)
    for name in rule or ():
        book.rule(name, settings.language)
    connections = chosen(settings, connection)
    with Database.open(settings.database) as database:
        with bar("plan") as progress:
            result = make_plan(
                database,
                book,
                limits=settings.limits,
                abilities=settings.abilities,
                language=settings.language,
                zone=settings.timezone,
                rules=rule or (),
                connections=connections if connection else (),
                stop_file=settings.halt.file,
                progress=progress,
            )
        Plans(database).show(result.plan.hash)
        mirror = Mirror(database)
        contacts = mirror.contacts(records_of(result.plan.changes))
        owners = owner_names(mirror)
    if out is not None:
        write_plan(out, result)
    if as_json:
        print_json(as_document(result))
        return
    shown = console()
    if result.plan.changes:
        limit = None if everything else 20
        changes, language = result.plan.changes, settings.language
        print_changes(shown, changes, contacts, language, owners=owners, shown=limit)
    else:
        shown.print(word("nothing", settings.language))
    print_nobody(shown, result.nobody, settings.language)
    print_withheld(shown, result.withheld, settings.language)
    _footer(shown, result, settings.limits, settings.language)


def write_plan(path: Path, result: PlanResult) -> None:
    """Write the plan to a file that only this user may read: it holds personal data.

    Raises:
        InputError: The file cannot be written.
    """
    import json

    from crm_steward.model import InputError

    text = json.dumps(result.plan.to_json(), ensure_ascii=False, indent=2) + "\n"
    part = path.with_name(f".{path.name}.part")
    try:
        part.touch(mode=0o600)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        said = (error.strerror or type(error).__name__).lower()
        raise InputError(f"{path}: the plan cannot be written: {said}.") from error


def as_document(result: PlanResult) -> dict[str, Any]:
    """Return a plan and what was left out as JSON-ready values."""
    from crm_steward.writing import summary

    return {
        **result.plan.to_json(),
        "withheld": [one.to_json() for one in result.withheld],
        "withheld_summary": [
            {"rule": rule, "why": why.value, "detail": detail, "count": count}
            for (rule, why, detail), count in summary(result.withheld).most_common()
        ],
        "nobody_called": [one.to_json() for one in result.nobody],
        "used_in_24_hours": dict(result.used),
        "live": dict(result.live),
    }


def _footer(out: Console, result: PlanResult, limits: Limits, language: str) -> None:
    from collections import Counter

    from rich.text import Text

    from crm_steward.writing import share

    plan = result.plan
    day = sum(result.used.values()) + len(plan.changes)
    out.print(
        Text(
            word(
                "limits",
                language,
                run=figure(len(plan.changes), language),
                run_limit=figure(limits.max_changes_per_run, language),
                day=figure(day, language),
                day_limit=figure(limits.max_changes_per_day, language),
            )
        )
    )
    here = Counter(planned.change.ref.connection for planned in plan.changes)
    for name, live in result.live.items():
        out.print(
            Text(
                "  "
                + word(
                    "share",
                    language,
                    name=name,
                    used=figure(here[name] + result.used.get(name, 0), language),
                    allowed=figure(share(live, limits.max_percent_per_day), language),
                    percent=f"{limits.max_percent_per_day:g}",
                    live=figure(live, language),
                )
            )
        )
    moments = {"made": plan.created_at, "until": plan.expires_at}
    times = {name: f"{moment:%Y-%m-%d %H:%M}" for name, moment in moments.items()}
    out.print(Text(word("plan", language, name=plan.hash, **times), "bold"))
    out.print(word("next", language), style="dim", markup=False)
