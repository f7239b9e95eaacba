"""Child: the process that does one errand of the service, see `apart`, and ends.

    python -m crm_steward.daemon.child

reads the errand from standard input and writes the answer to standard output.
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from crm_steward.daemon.apart import Answer, Errand, framed, received
from crm_steward.daemon.here import Here
from crm_steward.daemon.rulebook import Rulebook
from crm_steward.logs import describe, frames, setup_logging
from crm_steward.model import Clock, StewardError, utc_now
from crm_steward.store.database import Database
from crm_steward.store.lease import borrow


def main() -> None:
    """Do the errand that comes by standard input."""
    # Whatever prints from here on prints into the log.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Ctrl-C and a hang-up reach every process of a terminal; what they mean the service decides.
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    errand: Errand = pickle.loads(received(0))  # noqa: S301 -- of this program, by a pipe of ours
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    threading.Thread(target=_watch, args=(stop, errand.folder), daemon=True).start()
    tempfile.tempdir = str(errand.folder)
    setup_logging(errand.settings.log)
    with structlog.contextvars.bound_contextvars(**errand.bound):
        answer = _Errands(errand, stop).answer()
    with answers:
        answers.write(framed(pickle.dumps(answer)))


def _watch(stop: threading.Event, folder: Path) -> None:
    """Stop when asked to; end at once when nobody waits any more, and leave no data behind."""
    while os.read(0, 1):
        stop.set()
    shutil.rmtree(folder, ignore_errors=True)
    sys.stderr.flush()
    os._exit(1)


class _Errands:
    """Does one errand."""

    def __init__(self, errand: Errand, stop: threading.Event) -> None:
        self._errand = errand
        self._stop = stop
        self._rules: Rulebook | None = None

    def answer(self) -> Answer:
        """Do it, and say what came of it."""
        value, error, bug = None, None, None
        try:
            value = self._do()
        except StewardError as known:
            error = known
        except Exception as unknown:  # noqa: BLE001 -- who asked says it
            bug = describe(unknown), frames(unknown)
        rules = self._rules.said if self._rules else None
        return Answer(value=value, error=error, bug=bug, rules=rules)

    def _do(self) -> Any:
        errand, before = self._errand, self._errand.before
        rules = Rulebook(errand.settings, before.texts or None, before=before)
        self._rules = rules
        if errand.verb == "read":
            return None
        clock = _clock(errand)
        with ExitStack() as held:
            database = held.enter_context(Database.open(errand.settings.database))
            here = Here(errand.settings, database, rules, clock=clock, stop=self._stop)
            verb = getattr(here, errand.verb)
            if errand.loan is None:
                return verb(**errand.given)
            return verb(
                held.enter_context(borrow(database, errand.loan, clock=clock)), **errand.given
            )


def _clock(errand: Errand) -> Clock:
    """Return the service's clock: it may be another than the machine's."""
    there = errand.now + timedelta(seconds=time.monotonic() - errand.at)
    ahead = there - utc_now()
    return lambda: utc_now() + ahead


if __name__ == "__main__":
    main()
