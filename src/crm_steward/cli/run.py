"""`crm-steward run`: the background service."""

from __future__ import annotations

import os
import sys

import typer

from crm_steward.cli.context import DEFAULT_CONFIG, ConfigOption, open_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run_command)


def run_command(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the background service: pull, scan and report as the settings say, until it is stopped.

    One service runs per database. It catches up with what was due while it was away. SIGTERM and
    Ctrl-C end it within ten seconds: the write under way is finished, nothing more is begun.
    `/healthz`, `/readyz` and `/metrics` are served on `service.listen`. Rules are read again at
    each scan; while an edit is broken the last good rules run on.

    Nothing is written to a CRM unless `service.apply_automatic` is on, and then only what rules
    in mode `apply` ask for, within the limits.
    """
    from crm_steward.daemon.service import Service

    settings = open_settings(config)
    if not Service(settings).run():
        # A thread still waits for an answer from the network and would hold the process up. What
        # it was writing is in the journal and is settled at the next start.
        sys.stderr.flush()
        os._exit(0)
