"""`crm-steward apply`: write what was approved of a plan."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_steward.cli.changes import (
    SHOWN_PER_RULE,
    figure,
    owner_names,
    plain,
    print_changes,
    records_of,
)
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    Failures,
    JsonOption,
    console,
    open_rules,
    open_settings,
    print_json,
    this_user,
)
from crm_steward.cli.outcomes import print_outcome
from crm_steward.cli.wording import word

if TYPE_CHECKING:
    from crm_steward.settings import Settings
    from crm_steward.store.database import Database
    from crm_steward.store.plans import StoredPlan
    from crm_steward.writing import ApplyCounts, Selection, Targets

YesOption = Annotated[
    bool, typer.Option("--yes", help="Write to the CRMs. Without it, only show what would be.")
]
WaitOption = Annotated[
    float,
    typer.Option(
        "--wait", min=0, help="Seconds to wait at the end for answers that were lost to show up."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("apply")(apply_command)


def apply_command(
    plan: Annotated[
        str | None,
        typer.Argument(help="A plan's name, or a file of `plan --out`. Default: the newest plan."),
    ] = None,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    yes: YesOption = False,
    approved: Annotated[
        list[str] | None,
        typer.Option(
            "--approve", help="Approve `all`, a RULE, or a change by its KEY (may be repeated)."
        ),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who approves. Default: this user.")] = None,
    note: Annotated[str, typer.Option(help="Why it is approved; kept with the approval.")] = "",
    wait: WaitOption = 30.0,
    everything: Annotated[bool, typer.Option("--all", help="List every change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a plan to the CRMs: what is approved of it, and what needs no approval.

    Without --yes nothing is written; it shows what would be. Each record is read again just before
    and left alone when somebody changed it meanwhile. Ctrl-C finishes the write under way. A run
    that was cut off is settled by the next one: nothing is written twice.

    Ends with 6 when the plan is too old, used up, replaced, altered, over a limit, or approved
    without its name before anybody was shown it: nothing was written then. Ends with 1 when the CRM refused
    something, an answer is still missing, or a merge left another record than planned. Ends with 12
    when a pause, the stop file or too many refusals kept changes from being written.
    """
    from crm_steward.store.database import Database

    settings = open_settings(config)
    digest = open_rules(settings).digest
    with Database.open(settings.database) as database:
        if yes:
            _settle_first(database, settings, wait)
        stored = find_plan(database, plan)
        _fit(stored, digest)
        if approved and plan is None:
            _seen(database, stored)
        for what in approved or ():
            _approve(database, stored, what, by, note)
        if not yes:
            _preview(database, settings, stored, everything=everything, as_json=as_json)
            return
        from crm_steward.writing import apply_plan

        with writing_to(settings, database) as (stop, targets):
            _reconcile_first(database, settings, targets)
            counts = apply_plan(
                database,
                stored,
                targets,
                limits=settings.limits,
                rules=digest,
                stop=stop,
                patience=timedelta(seconds=wait),
            )
    end(counts, stop, as_json=as_json)


def _settle_first(database: Database, settings: Settings, wait: float) -> None:
    """Settle what earlier runs left open, whatever becomes of the plan that is asked for."""
    from crm_steward.store.journal import Journal
    from crm_steward.writing import settle

    if Journal(database).under_way():
        with writing_to(settings, database) as (stop, targets):
            counts = settle(database, targets, stop=stop, patience=timedelta(seconds=wait))
        found = ", ".join(f"{number} {state.value}" for state, number in counts.settled.items())
        typer.echo(f"crm-steward: settled from earlier runs: {found or 'none yet'}", err=True)


def _reconcile_first(database: Database, settings: Settings, targets: Targets) -> None:
    """Look for what a restored database forgot; what is still missing is said."""
    from crm_steward.settings import key_of
    from crm_steward.store.lease import hold
    from crm_steward.store.tombstones import Tombstones
    from crm_steward.writing.reconcile import reconcile

    with hold(database) as lease:
        found = reconcile(
            database,
            open_rules(settings),
            targets,
            abilities=settings.abilities,
            lease=lease,
            stones=Tombstones(database, key_of(settings)),
            language=settings.language,
            zone=settings.timezone,
        )
    if found is None:
        return
    typer.echo(
        f"crm-steward: the database is a restored copy: {found.asked} changes looked for in the "
        f"CRMs, {found.found} found there.",
        err=True,
    )
    for name, why in sorted(found.waiting.items()):
        typer.echo(f"crm-steward: {name} still waits for {why}.", err=True)


def find_plan(database: Database, name: str | None) -> StoredPlan:
    """Return the plan called `name`, the one in the file `name`, or the newest.

    Raises:
        InputError: There is none, or the file is not a plan.
        LimitExceededError: The file was altered, or its plan was not made on this database.
    """
    from crm_steward.model import InputError, LimitExceededError
    from crm_steward.store.plans import Plans

    plans = Plans(database)
    if name is None:
        stored = plans.latest()
    elif Path(name).is_file():
        name = _plan_in(Path(name))
        stored = plans.get(name)
        if stored is None:
            raise LimitExceededError(
                f"Plan {name} was not made on this database.", hint="Run crm-steward plan here."
            )
    else:
        stored = plans.get(name)
    if stored is None:
        which = f"no plan '{name}'" if name else "no plan yet"
        raise InputError(f"There is {which}.", hint="Make one: crm-steward plan")
    return stored


def _plan_in(path: Path) -> str:
    """Return the hash of the plan in a file."""
    import json

    from crm_steward.model import InputError, LimitExceededError, Plan

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        plan, claimed = Plan.from_json(content), content["hash"]
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or 'cannot be read').lower()}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not a plan.", hint="Write one: crm-steward plan --out FILE"
        ) from error
    if plan.hash != claimed:
        raise LimitExceededError(
            f"{path} was altered since it was made.", hint="Make a new plan: crm-steward plan"
        )
    return plan.hash


def _fit(stored: StoredPlan, digest: str) -> None:
    from crm_steward.model import utc_now
    from crm_steward.writing import refuse_unfit

    refuse_unfit(stored, rules=digest, now=utc_now())


def _seen(database: Database, stored: StoredPlan) -> None:
    """Refuse to approve a plan that nobody was shown: the service may have just made it."""
    from crm_steward.model import LimitExceededError
    from crm_steward.store.plans import Plans

    if Plans(database).shown() != stored.hash:
        raise LimitExceededError(
            f"Plan {stored.hash} was made since a plan was last looked at; nothing was approved.",
            hint="Look at it first: crm-steward apply. Then approve.",
        )


def _approve(database: Database, stored: StoredPlan, what: str, by: str | None, note: str) -> None:
    from crm_steward.writing import approve

    if not approve(database, stored, what, by=by or this_user(), note=note):
        rules = ", ".join(sorted({planned.rule for planned in stored.plan.changes})) or "none"
        raise typer.BadParameter(
            f"nothing in plan {stored.hash} is called '{what}'. Its rules: {rules}; or use all, "
            "or the first 6 digits of a key.",
            param_hint="--approve",
        )


def _preview(
    database: Database, settings: Settings, stored: StoredPlan, *, everything: bool, as_json: bool
) -> None:
    from crm_steward.model import utc_now
    from crm_steward.store.mirror import Mirror
    from crm_steward.store.plans import Plans
    from crm_steward.writing import select

    Plans(database).show(stored.hash)
    selection = select(database, stored, now=utc_now(), stop_file=settings.halt.file)
    if as_json:
        print_json(_selection(stored, selection))
        return
    approved = Plans(database).approvals(stored.hash)
    mirror = Mirror(database)
    contacts = mirror.contacts(records_of(selection.ready))
    out, language = console(), settings.language
    print_changes(
        out,
        selection.ready,
        contacts,
        language,
        owners=owner_names(mirror),
        approved=approved,
        shown=None if everything else SHOWN_PER_RULE,
    )
    counts = {
        "ready": len(selection.ready),
        "waiting": len(selection.waiting),
        "tried": len(selection.tried),
        "held": len(selection.held) + len(selection.halted) + len(selection.under_way),
        "resolved": len(selection.resolved),
        "snoozed": len(selection.snoozed),
    }
    said = [
        word(name, language, n=figure(number, language))
        for name, number in counts.items()
        if number or name == "ready"
    ]
    out.print(f"{', '.join(said)}.", style="bold")
    for halt in dict.fromkeys(halt for _, halt in selection.halted):
        out.print(f"{plain(halt.sentence(language), 700)}.", style="yellow", markup=False)
    out.print(word("dry-next", language), style="dim", markup=False)


def _selection(stored: StoredPlan, selection: Selection) -> dict[str, Any]:
    return {
        "plan": stored.hash,
        "written": False,
        "ready": [planned.to_json() for planned in selection.ready],
        "waiting_for_approval": [planned.key for planned in selection.waiting],
        "tried": [planned.key for planned in selection.tried],
        "under_way": [planned.key for planned in selection.under_way],
        "resolved": [planned.key for planned in selection.resolved],
        "snoozed": [planned.key for planned in selection.snoozed],
        "held": {planned.key: reason for planned, reason in selection.held},
        "halted": {planned.key: halt.to_json() for planned, halt in selection.halted},
    }


def _targets_of(settings: Settings, stop: threading.Event) -> Targets:
    """Return the configured connections, each opened when it is first written to."""
    from crm_steward.connect.discovery import open_connection, paced_calls, spec_of
    from crm_steward.settings import vault_of
    from crm_steward.writing import Target, Targets

    vault = vault_of(settings)

    def opening(name: str) -> Target:
        configured = settings.writable(name)
        spec = spec_of(configured.kind)
        calls = targets.calls[name] = paced_calls(name, configured, stop=stop)
        return Target(
            connector=open_connection(name, configured, stop=stop, calls=calls, vault=vault),
            settle_after=spec.settle_after,
            batch=spec.batch,
            ahead=lambda: calls.ahead,
        )

    targets = Targets(opening, settings.halt)
    return targets


@contextmanager
def writing_to(settings: Settings, database: Database) -> Iterator[tuple[threading.Event, Targets]]:
    """Give the connections, and what is set when the user asks to end; keep what of quotas is used."""
    from crm_steward.model import utc_now
    from crm_steward.store.usages import counting

    with (
        finishing() as stop,
        closing(_targets_of(settings, stop)) as targets,
        counting(database, targets.calls, utc_now),
    ):
        yield stop, targets


@contextmanager
def finishing(what: str = "write") -> Iterator[threading.Event]:
    """Let Ctrl-C and SIGTERM finish the write (or what else is) under way; a second one ends at once."""
    stop = threading.Event()

    def asked(number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        typer.echo(f"crm-steward: finishing the {what} under way …", err=True)
        del number

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, asked) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end(counts: ApplyCounts, stop: threading.Event, *, as_json: bool) -> None:
    """Print how a run ended, and end the process with the code that says it."""
    from crm_steward.cli.exits import Exit

    if as_json:
        print_json(counts.to_json())
    else:
        print_outcome(console(), counts)
    failures = Failures()
    for name, error in counts.failures.items():
        with failures.of(name):
            raise error
    failures.end()
    if counts.halted or any(halt.ended_at is None for halt in counts.turned):
        raise typer.Exit(Exit.HALTED)
    if stop.is_set():
        raise typer.Exit(Exit.INTERRUPTED)
    if counts.needs_a_look:
        raise typer.Exit(Exit.PARTIAL)
