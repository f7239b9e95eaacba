"""The program as processes of its own: forked from one that has loaded it, or loaded anew."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Self

from tests import forked

ENV = {"COLUMNS": "120", "NO_COLOR": "1"}
"""A terminal that is the same everywhere."""
FREE = ("CRM_STEWARD_", "PYTEST_", "HYPOTHESIS_", "NOTIFY_", "TMPDIR", "WATCHDOG_")
"""How variables begin that nothing looks at while it is loaded."""
PATIENCE_SECONDS = 120
LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))
from crm_steward.cli.app import main
main()
"""
"""Python that runs the program where no file may be larger than `most` bytes."""


class Started(ABC):
    """A process, with as much of `subprocess.Popen` as is needed; what it says goes to files.

    It is a context. With its end the process is killed if it still runs.

    Args:
        args: Its command line.
        files: Its output and its errors.
    """

    pid: int
    """Its number."""

    def __init__(self, args: Sequence[str], files: tuple[IO[bytes], IO[bytes]]) -> None:
        self.args = list(args)
        self._out, self._err = files

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._out, self._err:
            if self.poll() is None:
                self.kill()
                self.wait(PATIENCE_SECONDS)

    @abstractmethod
    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, for so many seconds at most, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """

    @abstractmethod
    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""

    @property
    def out(self) -> str:
        """What it has written to its output."""
        return _text(self._out)

    @property
    def err(self) -> str:
        """What it has written of errors."""
        return _text(self._err)

    def until(self, said: str) -> None:
        """Wait until it has written something to its output."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while said not in self.out:
            assert self.poll() is None, self.err
            assert time.monotonic() < deadline, self.err
            time.sleep(0.01)

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class _Anew(Started):
    """A process that loads the program itself."""

    def __init__(
        self, args: list[str], files: tuple[IO[bytes], IO[bytes]], cwd: Path, env: Mapping[str, str]
    ) -> None:
        super().__init__(args, files)
        out, err = files
        self._process = subprocess.Popen(
            args, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        self.pid = self._process.pid

    def wait(self, timeout: float | None = None) -> int:
        return self._process.wait(timeout)

    def poll(self) -> int | None:
        return self._process.poll()


class _Forked(Started):
    """A process that is forked.

    Its number stays taken until the context ends: no late signal meets another process.
    """

    def __init__(
        self, args: list[str], files: tuple[IO[bytes], IO[bytes]], connection: socket.socket
    ) -> None:
        super().__init__(args, files)
        self._connection, self._answers = connection, connection.makefile("rb", buffering=0)
        self.pid = int(self._answers.readline())
        self._code: int | None = None

    def __exit__(self, *_: object) -> None:
        with self._connection, self._answers:
            super().__exit__()

    def wait(self, timeout: float | None = None) -> int:
        if self._code is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._connection, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self._code = int(self._answers.readline())
        return self._code

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None


class Program:
    """Starts the program.

    Args:
        env: The environment that it finds.
        address: The socket of what forks it; None where each process is to load it anew.
    """

    def __init__(self, env: Mapping[str, str], address: str | None = None) -> None:
        self._env, self._address = dict(env), address

    @property
    def forks(self) -> bool:
        """Whether processes are forked."""
        return self._address is not None

    def fits(self, env: Mapping[str, str]) -> bool:
        """Whether a process may be forked for this environment: what was loaded would be the same."""
        changed = {name for name, _ in env.items() ^ self._env.items()}
        return self.forks and all(name.startswith(FREE) for name in changed)

    def start(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        code: str | None = None,
        anew: bool = False,
        durable: bool = True,
        log: Path | None = None,
        within: Sequence[str] = (),
    ) -> Started:
        """Start a process.

        Args:
            arguments: Its command line.
            cwd: Where.
            env: Its whole environment; None for the usual one.
            code: Python to run instead of the program, as `python -c` does.
            anew: Whether it has to load the program itself.
            durable: Whether it waits until the disk has what was written. Where it does not, a kill
                leaves the same, and only a cut of power something else; processes that load the
                program themselves always wait.
            log: The file that its errors are appended to.
            within: The command that starts it, which loads it anew.
        """
        whole = self._env if env is None else dict(env)
        with ExitStack() as opened:
            out = opened.enter_context(tempfile.TemporaryFile())
            if log is None:
                err = opened.enter_context(tempfile.TemporaryFile())
            else:
                err = opened.enter_context(log.open("ab+"))
            if anew or within or not self.fits(whole):
                first = ["-m", "crm_steward"] if code is None else ["-c", code]
                started: Started = _Anew(
                    [*within, sys.executable, *first, *arguments], (out, err), cwd, whole
                )
            else:
                asked = json.dumps([list(arguments), str(cwd), whole, code, durable]).encode()
                connection = opened.enter_context(socket.socket(socket.AF_UNIX))
                connection.connect(str(self._address))
                descriptors = [out.fileno(), err.fileno()]
                socket.send_fds(connection, [b"%8d" % len(asked)], descriptors)
                connection.sendall(asked)
                started = _Forked(list(arguments), (out, err), connection)
            opened.pop_all()
        return started

    def run(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        code: str | None = None,
        anew: bool = False,
        durable: bool = True,
        timeout: float = PATIENCE_SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Run a process to its end, as `subprocess.run` does.

        Raises:
            subprocess.TimeoutExpired: It took longer than `timeout` seconds, and was killed.
        """
        with self.start(
            arguments, cwd=cwd, env=env, code=code, anew=anew, durable=durable
        ) as started:
            ended = started.wait(timeout)
            return subprocess.CompletedProcess(started.args, ended, started.out, started.err)


def _text(file: IO[bytes]) -> str:
    """Return what was written, without moving where the process writes on."""
    said = os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
    return said.decode().replace("\r\n", "\n")


@contextmanager
def forking(env: Mapping[str, str]) -> Iterator[Program]:
    """Start a process that forks the program, and end it."""
    with tempfile.TemporaryDirectory(prefix="steward-forked-") as folder:
        address = f"{folder}/socket"
        process = subprocess.Popen(
            [sys.executable, forked.__file__, address],
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == b"ready\n", "it could not be loaded"
                yield Program(env, address)
            finally:
                process.terminate()
