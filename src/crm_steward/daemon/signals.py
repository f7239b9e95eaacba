"""Signals: what a person or a system asks of the service, heard whatever its main thread does.

Python calls a handler only once the main thread is between two of its steps; a database that does
not answer, or SQLite looking through a large file, holds it up for longer than ten seconds. So a
thread of its own hears of each signal through a pipe, from the first moment on: before the service
can end in order, as it has begun nothing, and once it can, if it does not come to its end.

Loads nothing: it listens before anything else is loaded.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Collection
from types import FrameType

LAST_RESORT_SECONDS = 9.5
"""When a process that was asked to end is ended, whatever it waits for."""

_WAITED = "ended, although something did not answer: the next start settles what was under way."
ENDING = (signal.SIGTERM, signal.SIGINT)
_HEARD: Collection[signal.Signals] = (*ENDING, signal.SIGHUP)


class _Listener:
    """Hears signals, and does what is to be done by then.

    Before `answer` there is nobody to end in order: the process is ended at once. What the service
    would read anew it has not read yet, or it is told as soon as it listens.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self._reread: Callable[[], None] | None = None
        self._hung_up = False
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=self._listen, args=(reading,), name="signals", daemon=True).start()
        for each in _HEARD:
            signal.signal(each, _noted)

    def answer(self, stop: Callable[[], None], reread: Callable[[], None]) -> None:
        """Let the service be told from now on, and of what was asked before."""
        with self._lock:
            self._stop, self._reread = stop, reread
            hung_up, self._hung_up = self._hung_up, False
        if hung_up:
            reread()

    def _listen(self, reading: int) -> None:
        while heard := os.read(reading, 64):
            for number in heard:
                if number in ENDING:
                    self._end()
                elif number == signal.SIGHUP:
                    self._read_anew()

    def _end(self) -> None:
        with self._lock:
            stop = self._stop
        if stop is None:
            _leave("stopped before it had begun.")
        else:
            stop()
            last = threading.Timer(LAST_RESORT_SECONDS, _leave, (_WAITED,))
            last.daemon = True
            last.start()

    def _read_anew(self) -> None:
        with self._lock:
            reread = self._reread
            self._hung_up = reread is None
        if reread is not None:
            reread()


_listener: _Listener | None = None


def listen() -> None:
    """Hear SIGTERM, Ctrl-C and SIGHUP from now on; called by the main thread, early and once."""
    global _listener  # noqa: PLW0603 -- signals are the process's, so is what hears them
    if _listener is None:
        _listener = _Listener()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)  # what `hold_back` kept


def answer(stop: Callable[[], None], reread: Callable[[], None]) -> None:
    """Have the service told when it is asked to end or to read its settings anew.

    A service in another thread than the main one hears nothing: Python allows no more.

    Args:
        stop: Asks it to end; the process ends by itself should that take too long.
        reread: Asks it to take up its settings anew.
    """
    if threading.current_thread() is threading.main_thread():
        listen()
    if _listener is not None:
        _listener.answer(stop, reread)


def hold_back() -> None:
    """Keep signals for the program that takes this one's place, which listens first of all."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Take the place of what Python or the system would do; the thread does what is to be done."""


def _leave(said: str) -> None:
    """End at once, whatever anybody waits for: a database undoes what was not committed.

    What was being written to a CRM is in the journal and is settled at the next start.
    """
    os.write(2, f"crm-steward: {said}\n".encode())
    os._exit(0)
