"""Apart: each heavy verb in a process of its own, so that its memory goes with it, and its crash too.

The process is a new interpreter (`child`), not a fork of this one, whose threads may hold any lock.
It gets its errand by standard input, secrets among it, and nothing on its command line or in its
environment that was not there before; what it answers leaves by standard output, what it logs by
standard error, like our own. While its standard input is open somebody waits for it: a byte there
asks it to stop, the end of it says that we are gone. It writes to the database under our lease.
"""

from __future__ import annotations

import os
import pickle
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import structlog

from crm_steward.daemon.framing import framed, unframed
from crm_steward.daemon.heavy import Planned, RulesRead, Scanned
from crm_steward.logs import ElsewhereError
from crm_steward.model import Clock, EndedError, StewardError
from crm_steward.rules import RuleBook
from crm_steward.settings import Settings
from crm_steward.store.lease import Lease, Loan
from crm_steward.store.places import temporary_place

if TYPE_CHECKING:
    from crm_steward.store.reminders import Deed

STOPS_WITHIN = timedelta(seconds=5)
"""How long a process may take to its next safe point when the service ends; then it is killed."""

MIGRATE = "migrate"
"""The errand of which nobody here knows more: it comes before there are rules."""
RESTORE_TEST = "restore_test"
"""The errand that needs no rules, and is a verb all the same."""
_LOOK_SECONDS = 0.2
"""How often it is seen whether the service is to end."""
STOP = b"."
"""What asks a process to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a process of its own is asked to do.

    Args:
        verb: Its name in `Heavy`.
        settings: What to do.
        before: The rules as they were read last.
        folder: For what it spills to disk; who asks removes it.
        loan: The lease under which it writes; None: it writes nothing that needs one.
        given: Further arguments of the verb, by name.
        now: The service's time …
        at: … at this second of the machine's steady clock, which is every process's.
        bound: What each line of its log bears, such as the job.
    """

    verb: str
    settings: Settings
    before: RulesRead
    folder: Path
    loan: Loan | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    now: datetime
    at: float
    bound: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of an errand.

    Args:
        value: What the verb returned.
        error: What it raised, of the kinds that somebody can put right.
        bug: What else it raised: as `logs.describe` says it, and its frames.
        rules: The rules as it read them; None when it did not come so far.
    """

    value: Any = None
    error: StewardError | None = None
    bug: tuple[str, list[str]] | None = None
    rules: RulesRead | None = None


class Apart:
    """Does the heavy verbs, see `Heavy`, each in a process of its own.

    Args:
        settings: What to do.
        kept: The rule files of the last scan; None before the first.
        clock: The time.
        stop: Set when the service is asked to stop.
    """

    def __init__(
        self,
        settings: Settings,
        kept: Mapping[str, str] | None,
        *,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._settings = settings
        self._rules = RulesRead(texts=dict(kept or {}))
        self._clock = clock
        self._stop = stop

    @property
    def rules(self) -> RulesRead:
        """The rules as they were read last, by whichever process."""
        return self._rules

    def migrate(self) -> None:
        """Open the database, which brings it to the present schema, and close it."""
        self._do(MIGRATE)

    def read(self) -> RulesRead:
        """Read the rules."""
        self._do("read")
        return self._rules

    def book(self) -> RuleBook:
        """Return the rules themselves; what reading them takes stays in this process."""
        from crm_steward.daemon.rulebook import Rulebook  # noqa: PLC0415 -- as this says

        return Rulebook(self._settings, self._rules.texts or None, before=self._rules).current

    def scan(self, lease: Lease, *, changed: bool) -> Scanned:
        """Look at the mirror."""
        scanned: Scanned = self._do("scan", lease, changed=changed)
        return scanned

    def plan(self, lease: Lease) -> Planned | None:
        """Make a plan, and store it when it holds something automatic."""
        planned: Planned | None = self._do("plan", lease)
        return planned

    def weekly(self, now: datetime) -> int:
        """Queue the mails of this week that are missing."""
        queued: int = self._do("weekly", now=now)
        return queued

    def restore_test(self, now: datetime) -> Deed | None:
        """Restore the newest backup, when it is time; the copy goes with the process."""
        deed: Deed | None = self._do(RESTORE_TEST, now=now)
        return deed

    def _do(self, verb: str, lease: Lease | None = None, **given: Any) -> Any:
        with temporary_place() as folder:
            errand = Errand(
                verb=verb,
                settings=self._settings,
                before=self._rules,
                folder=folder,
                loan=lease.loan if lease else None,
                given=given,
                now=self._clock(),
                at=time.monotonic(),
                bound=structlog.contextvars.get_contextvars(),
            )
            answer = in_child(errand, self._stop)
        self._rules = answer.rules or self._rules
        if answer.bug:
            raise ElsewhereError(*answer.bug)
        if answer.error:
            raise answer.error
        return answer.value


def in_child(errand: Errand, stop: threading.Event) -> Answer:
    """Have an errand done by a process of its own, and return its answer once that has ended.

    Args:
        errand: What to do.
        stop: Set when the service ends: the process comes to its next safe point or is killed.

    Raises:
        EndedError: It ended without an answer: somebody killed it, or it crashed.
    """
    command = [sys.executable, "-m", f"{__package__}.child"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as child:  # noqa: S603 -- this program
        said = b"".join(_said(child, framed(pickle.dumps(errand)), stop))
        with suppress(subprocess.TimeoutExpired):
            child.wait(STOPS_WITHIN.total_seconds())
        child.kill()
    answer = unframed(said)
    if answer is None:
        how = _how(child.returncode)
        raise EndedError(f"The process of '{errand.verb}' {how} before it was done.", hint=_HINT)
    found: Answer = pickle.loads(answer)  # noqa: S301 -- of this program, by a pipe of our own
    return found


_HINT = (
    "Its last lines in the log may say why. Where the system's log says that memory ran out, give "
    "it more; it is tried again."
)


def _said(child: subprocess.Popen[bytes], errand: bytes, stop: threading.Event) -> Iterator[bytes]:
    """Yield what a process says, to the end; give it its errand, let it stop with the service."""
    killed_at: float | None = None
    taken = cast("IO[bytes]", child.stdout)
    with selectors.DefaultSelector() as selector:
        selector.register(taken, selectors.EVENT_READ)
        given = _Given(cast("IO[bytes]", child.stdin), selector)
        given.add(errand)
        while True:
            ready = {key.fileobj for key, _ in selector.select(_LOOK_SECONDS)}
            if given.pipe in ready:
                given.go_on()
            if taken in ready:
                part = os.read(taken.fileno(), 1 << 16)
                if not part:
                    return
                yield part
            if stop.is_set() and killed_at is None:
                killed_at = time.monotonic() + STOPS_WITHIN.total_seconds()
                given.add(STOP)
            if killed_at is not None and time.monotonic() > killed_at:
                child.kill()


class _Given:
    """What a process is given, as much at a time as its pipe takes; who reads no more is owed nothing.

    Past the pipe's buffer: what was not read would stay there, and closing it would fail.

    Args:
        pipe: Its standard input.
        selector: Tells when the pipe takes something.
    """

    def __init__(self, pipe: IO[bytes], selector: selectors.BaseSelector) -> None:
        self.pipe = pipe
        self._selector = selector
        self._rest = b""
        os.set_blocking(pipe.fileno(), False)

    def add(self, content: bytes) -> None:
        """Give this, too."""
        if not self._rest:
            self._selector.register(self.pipe, selectors.EVENT_WRITE)
        self._rest += content

    def go_on(self) -> None:
        """Write what the pipe takes now."""
        try:
            self._rest = self._rest[os.write(self.pipe.fileno(), self._rest) :]
        except BlockingIOError:  # it had room, but not for a piece
            return
        except BrokenPipeError:  # it has ended or is about to: its answer or its code says how
            self._rest = b""
        if not self._rest:
            self._selector.unregister(self.pipe)


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:  # one of those that have a number only
        return f"was ended by signal {-code}"
