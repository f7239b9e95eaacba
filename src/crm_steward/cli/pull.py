"""`crm-steward pull`: bring what changed in the CRMs into the local mirror."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    Failures,
    JsonOption,
    bar,
    chosen,
    console,
    open_settings,
    print_json,
)

if TYPE_CHECKING:
    from crm_steward.connect.calls import Calls
    from crm_steward.pull import PullCounts

ConnectionOption = Annotated[
    list[str] | None,
    typer.Option("--connection", help="Only this connection (may be repeated); default: all."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("pull")(pull_command)


def pull_command(
    config: ConfigOption = DEFAULT_CONFIG,
    connection: ConnectionOption = None,
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Read everything, so that deletions can be seen.")
    ] = False,
    accept_shrink: Annotated[
        bool,
        typer.Option(
            "--accept-shrink",
            help="The source lost many records and that is right: unfreeze writing to it.",
        ),
    ] = False,
    new_account: Annotated[
        bool,
        typer.Option(
            "--new-account",
            help="The credential opens another account than before and that is right: read it "
            "under the same name. Needs --connection.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring what changed in the CRMs into the local mirror.

    The first pull reads everything; later ones only what changed. One that was interrupted goes on
    where it stopped. Nothing is ever written to a CRM.

    Ends with 4 when a credential is refused, or opens another account than the one that was read
    before: then nothing is read from it.
    """
    from crm_steward.connect.discovery import open_connection, paced_calls, spec_of
    from crm_steward.model import utc_now
    from crm_steward.pull import pull
    from crm_steward.settings import key_of, vault_of
    from crm_steward.store.clocks import off, said
    from crm_steward.store.database import Database
    from crm_steward.store.lease import hold
    from crm_steward.store.tombstones import Tombstones
    from crm_steward.store.usages import counting
    from crm_steward.writing.revisit import revisit

    if new_account and not connection:
        raise typer.BadParameter("name it with --connection.", param_hint="--new-account")
    settings = open_settings(config)
    done: dict[str, PullCounts] = {}
    skewed: list[tuple[str, str]] = []
    failures = Failures()
    with (
        Database.open(settings.database) as database,
        hold(database) as lease,
        closing(vault_of(settings)) as vault,
    ):
        for name, configured in chosen(settings, connection).items():
            paced: dict[str, Calls] = {}
            with (
                failures.of(name),
                counting(database, paced, utc_now),
                closing(
                    open_connection(
                        name,
                        configured,
                        calls=(calls := paced.setdefault(name, paced_calls(name, configured))),
                        vault=vault,
                    )
                ) as connector,
                bar(f"pull {name}") as progress,
            ):
                done[name] = pull(
                    database,
                    name,
                    configured.kind,
                    connector,
                    clock=utc_now,
                    full=full or accept_shrink,
                    country=configured.country,
                    min_source_percent=settings.limits.min_source_percent,
                    accept_shrink=accept_shrink,
                    progress=progress,
                    stones=Tombstones(database, key_of(settings)),
                    new_account=lease if new_account else None,
                )
                revisit(
                    database,
                    name,
                    connector,
                    lease,
                    settings=settings,
                    spec=spec_of(configured.kind),
                    ahead=calls.ahead,
                    now=utc_now(),
                )
                if calls.ahead is not None and off(calls.ahead):
                    skewed.append((name, said(calls.ahead)))
    for name, ahead in skewed:
        typer.echo(
            f"crm-steward: {name}: its clock and this machine's are apart ({ahead}); what counts by age "
            "waits until this machine's clock is right (NTP).",
            err=True,
        )
    if as_json:
        print_json({name: asdict(counts) for name, counts in done.items()})
    else:
        _print(done)
    failures.end()


def _print(done: Mapping[str, PullCounts]) -> None:
    out = console()
    for name, counts in done.items():
        out.print(f"[bold]{name}[/bold]: {_sentence(counts)}")
        for line in counts.missing:
            out.print(f"  [yellow]![/yellow] {line}", highlight=False)
        if counts.tasks_unread:
            out.print(
                f"  [yellow]What became of our tasks could not be read:[/yellow] {counts.tasks_unread}",
                highlight=False,
            )
        if counts.frozen:
            out.print(
                f"  [yellow]Writing to {name} is frozen:[/yellow] {counts.frozen}. If that is "
                f"right: crm-steward pull --connection {name} --accept-shrink"
            )


def _sentence(counts: PullCounts) -> str:
    gone = counts.gone + counts.absent
    parts = [
        f"{counts.live:,} contacts",
        "read in full" if counts.full else "read since last time",
        f"{counts.new:,} new, {counts.changed:,} changed, {gone:,} gone",
    ]
    if counts.merged:
        parts.append(f"{counts.merged:,} of them merged")
    if counts.missed:
        parts.append(f"[yellow]{counts.missed:,} that reading changes had missed[/yellow]")
    if counts.reappeared:
        parts.append(f"[yellow]{counts.reappeared:,} of people who were erased here[/yellow]")
    if counts.poison:
        parts.append(f"[yellow]{counts.poison:,} could not be read (quarantined)[/yellow]")
    return ", ".join(parts)
