"""`crm-steward run`: the background service."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

from crm_steward.cli.context import DEFAULT_CONFIG, ConfigOption, open_settings
from crm_steward.cli.exits import Exit
from crm_steward.cli.failures import ending

if TYPE_CHECKING:
    from crm_steward.daemon.service import Service


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run_command)


def run_command(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the background service: pull, scan and report as the settings say, until it is stopped.

    One service runs per database. It catches up with what was due while it was away. SIGTERM and
    Ctrl-C end it within ten seconds: the write under way is finished, nothing more is begun.
    `/healthz`, `/readyz` and `/metrics` are served on `service.listen`. Rules are read again at
    each scan; while an edit is broken the last good rules run on. SIGHUP takes up the settings
    anew: the service comes to its next safe point and begins again; wrong ones are named in the
    log, and it goes on with those it has.

    Nothing is written to a CRM unless `service.apply_automatic` is on, and then only what rules
    in mode `apply` ask for, within the limits.
    """
    from crm_steward.daemon import signals
    from crm_steward.daemon.service import Service

    settings = open_settings(config)
    service = Service(settings, config=config)
    with _whatever_threads_do(service):
        service.run()
        if service.renewing:
            signals.hold_back()
        if service.renewing:  # nobody has asked for the end meanwhile
            # The same process id, so that whoever started it still knows it; threads that wait for
            # an answer end here, and what they were writing is settled at the start.
            sys.stderr.flush()
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 -- ourselves
    if not service.clean:
        _leave(Exit.OK)


@contextmanager
def _whatever_threads_do(service: Service) -> Iterator[None]:
    """End the process, with the message and code of what is raised, also while threads still wait."""
    try:
        with ending(shown=False):
            yield
    except SystemExit as ended:
        if service.clean:
            raise
        _leave(ended.code if isinstance(ended.code, int) else Exit.BUG)


def _leave(code: int) -> NoReturn:
    """End at once: a thread still waits for an answer and would hold the process up.

    What it was writing is in the journal and is settled at the next start.
    """
    sys.stderr.flush()
    os._exit(code)
