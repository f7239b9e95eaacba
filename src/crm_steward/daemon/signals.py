"""Signals: what a person or a system asks of the service, heard whatever its main thread does.

Python calls a handler only once the main thread is between two of its steps; a database that does
not answer, or SQLite looking through a large file, holds it up for longer than ten seconds. So a
thread of its own takes each signal, from the first moment on: before the service can end in order,
as it has begun nothing, and once it can, if it does not come to its end. All others, which begin
later, block signals: the system keeps one until that thread takes it, or, once it takes no more,
the program that this one makes way for. What the service starts blocks them, too, until it asks for
them (`child`).

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
        self._ceasing = False
        self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)
        self._thread.start()
        # A signal that is ignored, or ends the process, need not be kept while it is blocked.
        for each in _HEARD:
            signal.signal(each, self._hand_on)

    def answer(self, stop: Callable[[], None], reread: Callable[[], None]) -> None:
        """Let the service be told from now on, and of what was asked before."""
        with self._lock:
            self._stop, self._reread = stop, reread
            hung_up, self._hung_up = self._hung_up, False
        if hung_up:
            reread()

    def cease(self) -> None:
        """Do what was asked so far, and take no signal any more."""
        self._ceasing = True
        # The program that begins reads the settings: a reload that comes now is none to keep.
        self._wake(signal.SIGHUP)
        self._thread.join(LAST_RESORT_SECONDS)

    def _listen(self) -> None:
        while True:
            if signal.sigwait(_HEARD) in ENDING:
                self._end()
            elif self._ceasing:
                if signal.sigtimedwait(ENDING, 0):  # asked for just before, and taken after
                    self._end()
                return
            else:
                self._read_anew()

    def _hand_on(self, number: int, _frame: FrameType | None) -> None:
        """Take what a thread heard that was there before this one listened."""
        self._wake(number)

    def _wake(self, number: int) -> None:
        if self._thread.ident is not None and self._thread.is_alive():
            signal.pthread_kill(self._thread.ident, number)

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
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)  # threads that begin do as this one does
        _listener = _Listener()


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
    """Keep signals for the program that takes this one's place, which listens first of all.

    What was asked before is done: whoever looks then whether the end was asked for misses nothing.
    """
    if _listener is not None:
        _listener.cease()


def take() -> None:
    """Let signals come, in a process that the service started."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)


def _leave(said: str) -> None:
    """End at once, whatever anybody waits for: a database undoes what was not committed.

    What was being written to a CRM is in the journal and is settled at the next start.
    """
    os.write(2, f"crm-steward: {said}\n".encode())
    os._exit(0)
