"""The real program, started warm: forked from a process that has loaded it and does nothing else.

Loading takes four fifths of a short command's time, and nothing that a kill could harm happens
then. What is forked runs the same `main` with a process id of its own and dies of the same signals.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

MODULES = (
    "crm_steward.cli.app",
    "crm_steward.daemon.service",
    "crm_steward.pull",
    "crm_steward.scan",
    "crm_steward.writing",
    "crm_steward_hubspot.connector",
    "crm_steward_pipedrive.connector",
    "psycopg",
)
_MOTHER = """
import importlib, json, os, sys, threading
from datetime import datetime, timedelta, timezone
import time_machine
for name in sys.argv[1:]:
    importlib.import_module(name)
assert threading.active_count() == 1, "what is forked would lack the other threads"
from crm_steward.cli.app import main
pid = 0
for line in sys.stdin:
    if pid:
        os.waitpid(pid, 0)
    pid = os.fork()
    if not pid:
        asked = json.loads(line)
        os.chdir(asked["folder"])
        said = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        if asked["ahead"]:
            moment = datetime.now(timezone.utc) + timedelta(seconds=asked["ahead"])
            time_machine.travel(moment, tick=True).start()
        sys.argv = ["crm-steward", *asked["arguments"]]
        main()
    print(pid, flush=True)
    # Its number stays taken until the next is asked for: no late signal meets another process.
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    print(ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status, flush=True)
"""


class WarmProcess:
    """One process of the program, with as much of `subprocess.Popen` as is needed.

    Args:
        mother: What it was forked from.
    """

    def __init__(self, mother: Mother) -> None:
        self._mother = mother
        self.pid = int(mother.line(None))
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, for so many seconds at most, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        if self.returncode is None:
            self.returncode = int(self._mother.line(timeout))
        return self.returncode

    def kill(self) -> None:
        """Send SIGKILL."""
        os.kill(self.pid, 9)


class Mother:
    """Forks processes of the program, one at a time. Use `warm`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MOTHER, *MODULES],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._read = b""

    def start(
        self, folder: Path, log: Path, *arguments: str, ahead: timedelta = timedelta()
    ) -> WarmProcess:
        """Start the program; the one before has ended.

        Args:
            folder: Where.
            log: The file for what it says.
            arguments: Its command line.
            ahead: How far its clock is ahead.
        """
        asked = {
            "folder": str(folder),
            "log": str(log),
            "arguments": arguments,
            "ahead": ahead.total_seconds(),
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        return WarmProcess(self)

    def line(self, timeout: float | None) -> str:
        """Return the next line it says, within so many seconds.

        Raises:
            subprocess.TimeoutExpired: It says none.
        """
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        deadline = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._read:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([descriptor], [], [], left)[0]:
                raise subprocess.TimeoutExpired("crm-steward", timeout or 0)
            said = os.read(descriptor, 4096)
            assert said, "the process that is forked from ended"
            self._read += said
        line, _, self._read = self._read.partition(b"\n")
        return line.decode()

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def warm() -> Iterator[Mother]:
    """Load the program once, to fork it as often as needed."""
    mother = Mother()
    try:
        yield mother
    finally:
        mother.end()
