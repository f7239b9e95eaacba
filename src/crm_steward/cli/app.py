"""Puts the commands together; each stands in its own module and imports what it needs when called."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from crm_steward import __version__
from crm_steward.cli import (
    accept,
    apply,
    audit,
    backup,
    check,
    connectors,
    consents,
    demo,
    duplicates,
    erase,
    findings,
    init,
    journal,
    pause,
    people,
    plan,
    pull,
    quarantine,
    redirects,
    register,
    reminders,
    report,
    restore,
    rules,
    run,
    sandbox,
    scan,
    snooze,
    status,
    subject,
    undo,
)
from crm_steward.cli.failures import ending

_COMMANDS = (
    init,
    check,
    audit,
    demo,
    pull,
    scan,
    findings,
    snooze,
    duplicates,
    people,
    consents,
    plan,
    apply,
    undo,
    pause,
    quarantine,
    accept,
    status,
    journal,
    backup,
    restore,
    reminders,
    erase,
    subject,
    redirects,
    report,
    run,
    rules,
    register,
    sandbox,
    connectors,
)
"""In the order in which a newcomer meets them."""

app = typer.Typer(
    name="crm-steward",
    help="Keep contacts clean in hosted CRMs: find duplicates, stale records, missing consents and "
    "bad formats by rules you write in YAML, and put them right where they came from.",
    epilog="Begin with `crm-steward audit contacts.csv` or `crm-steward demo`; for a CRM of yours, "
    "`crm-steward init --kind hubspot`. Each command explains itself: `crm-steward plan --help`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crm-steward {__version__}")
        raise typer.Exit


@app.callback()
def steward(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Keep contacts clean in hosted CRMs."""


for _command in _COMMANDS:
    _command.register(app)


def main() -> None:
    """Run the command line; every error ends in one line and a documented exit code.

    What it makes is for its own user alone, whatever the user's umask: nearly all of it holds
    personal data or secrets, down to the journals and spill files of the databases.
    """
    os.umask(os.umask(0) | 0o077)
    with ending():
        sys.exit(app(prog_name="crm-steward"))
