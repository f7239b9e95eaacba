"""Child: the process that does one errand of the service, see `apart`, and ends.

    python -m crm_steward.daemon.child

reads the errand from standard input and writes the answer to standard output. What it needs is
loaded once it watches whether somebody still waits for it.
"""

from __future__ import annotations

import os
import pickle
import signal
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_steward.daemon.framing import framed, received
from crm_steward.daemon.signals import take
from crm_steward.store.places import remove

if TYPE_CHECKING:
    from crm_steward.daemon.apart import Answer, Errand
    from crm_steward.daemon.rulebook import Rulebook
    from crm_steward.model import Clock


def main() -> None:
    """Do the errand that comes by standard input."""
    stop = threading.Event()
    # Ctrl-C and a hang-up reach every process of a terminal; what they mean the service decides.
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    take()
    # Whatever prints from here on prints into the log.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        said = received(0)
    except EOFError:  # whoever began to ask has gone
        return
    threading.Thread(target=_watch, args=(stop,), daemon=True).start()
    errand: Errand = pickle.loads(said)  # noqa: S301 -- of this program, by a pipe of our own
    tempfile.tempdir = str(errand.folder)
    answer = _Doing(errand, stop).answer()
    with answers:
        answers.write(framed(pickle.dumps(answer)))


def _watch(stop: threading.Event) -> None:
    """Stop when asked to; end at once when nobody waits any more, and leave no data behind."""
    while os.read(0, 1):
        stop.set()
    if tempfile.tempdir:
        remove(Path(tempfile.tempdir))
    os._exit(1)


class _Doing:
    """Does one errand."""

    def __init__(self, errand: Errand, stop: threading.Event) -> None:
        self._errand = errand
        self._stop = stop
        self._rules: Rulebook | None = None

    def answer(self) -> Answer:
        """Do it, and say what came of it."""
        import structlog  # noqa: PLC0415 -- somebody watches now

        from crm_steward.daemon.apart import Answer  # noqa: PLC0415 -- the same
        from crm_steward.logs import describe, frames, setup_logging  # noqa: PLC0415 -- the same
        from crm_steward.model import StewardError  # noqa: PLC0415 -- the same

        setup_logging(self._errand.settings.log)
        value, error, bug = None, None, None
        with structlog.contextvars.bound_contextvars(**self._errand.bound):
            try:
                value = self._do()
            except StewardError as known:
                error = known
            except Exception as unknown:  # noqa: BLE001 -- who asked says it
                bug = describe(unknown), frames(unknown)
        rules = self._rules.said if self._rules else None
        return Answer(value=value, error=error, bug=bug, rules=rules)

    def _do(self) -> Any:
        from crm_steward.daemon.apart import MIGRATE, RESTORE_TEST  # noqa: PLC0415 -- somebody watches now
        from crm_steward.daemon.here import Here  # noqa: PLC0415 -- the same
        from crm_steward.daemon.rulebook import Rulebook  # noqa: PLC0415 -- the same
        from crm_steward.store.database import Database  # noqa: PLC0415 -- the same
        from crm_steward.store.lease import borrow  # noqa: PLC0415 -- the same

        errand, before = self._errand, self._errand.before
        if errand.verb == MIGRATE:
            Database.open(errand.settings.database).close()
            return None
        if errand.verb == RESTORE_TEST:
            from crm_steward.daemon.selftest import look_at_backup  # noqa: PLC0415 -- the same

            with Database.open(errand.settings.database) as database:
                return look_at_backup(database, errand.settings, **errand.given)
        self._rules = Rulebook(errand.settings, before.texts or None, before=before)
        if errand.verb == "read":
            return None
        clock = _clock(errand)
        with ExitStack() as held:
            database = held.enter_context(Database.open(errand.settings.database))
            here = Here(errand.settings, database, self._rules, clock=clock, stop=self._stop)
            given = dict(errand.given)
            if errand.loan is not None:
                given["lease"] = held.enter_context(borrow(database, errand.loan, clock=clock))
            return getattr(here, errand.verb)(**given)


def _clock(errand: Errand) -> Clock:
    """Return the service's clock: it may be another than the machine's."""
    from crm_steward.model import utc_now  # noqa: PLC0415 -- somebody watches now

    ahead = errand.now + timedelta(seconds=time.monotonic() - errand.at) - utc_now()
    return lambda: utc_now() + ahead


if __name__ == "__main__":
    main()
