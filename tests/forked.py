"""Commands that need not load the program anew: processes forked from one that has.

Started by a worker of pytest as a script. It loads what commands load, then forks a process for each
that is asked for through a socket: with its own folder, environment and outputs, and its own end.
What a fork cannot show, whether the program loads at all, is shown by `make test-wheel`, where each
command is a new interpreter, and by tests/unit/cli/test_loading.py.
"""

from __future__ import annotations

import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import FrameType
from typing import IO

PACKAGES = (
    "crm_steward",
    "crm_steward_hubspot",
    "crm_steward_salesforce",
    "crm_steward_zoho",
    "crm_steward_pipedrive",
    "crm_steward_file",
    "crm_steward_rules",
)
APART = ("crm_steward.testing", "crm_steward.store.migrations", "crm_steward.matching.splink")
"""What no command loads, what runs when it is loaded, and what takes an extra."""
OTHERS = ("crm_steward.store.migrations", "alembic.runtime.migration", "duckdb")
FREE = ("CRM_STEWARD_", "PYTEST_", "HYPOTHESIS_")
"""How variables begin that nothing looks at while it is loaded."""


class Forked:
    """A process that forks commands.

    Args:
        process: The process.
        address: The socket it listens on.
        env: The environment that it was started with.
    """

    def __init__(self, process: subprocess.Popen[bytes], address: str, env: dict[str, str]) -> None:
        self._process, self._address, self._env = process, address, env

    def fits(self, env: Mapping[str, str]) -> bool:
        """Whether a command may be forked for this environment: what was loaded would be the same."""
        changed = {name for name, _ in env.items() ^ self._env.items()}
        return all(name.startswith(FREE) for name in changed)

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, as `subprocess.run` does.

        Raises:
            subprocess.TimeoutExpired: It took longer than `timeout` seconds, and was killed.
        """
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            asked = json.dumps([list(arguments), str(cwd), dict(env)]).encode()
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(timeout)
                connection.connect(self._address)
                socket.send_fds(connection, [b"%8d" % len(asked)], [out.fileno(), err.fileno()])
                connection.sendall(asked)
                answers = connection.makefile("rb")
                pid = int(answers.readline())
                try:
                    code = int(answers.readline())
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(list(arguments), timeout) from None
            return subprocess.CompletedProcess(list(arguments), code, _text(out), _text(err))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


@contextmanager
def forking(env: Mapping[str, str]) -> Iterator[Forked]:
    """Start a process that forks commands, and end it."""
    with tempfile.TemporaryDirectory(prefix="steward-forked-") as folder:
        address = f"{folder}/socket"
        process = subprocess.Popen(
            [sys.executable, __file__, address],
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == b"ready\n", "it could not be loaded"
                yield Forked(process, address, dict(env))
            finally:
                process.terminate()


def load() -> None:
    """Load every module that a command may load."""
    for package in PACKAGES:
        for module in walk_packages(import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__") and not module.name.startswith(APART):
                import_module(module.name)
    for name in OTHERS:
        import_module(name)


def serve(address: str) -> list[str]:
    """Fork a process for each request; return in each of them, with its arguments.

    It ends with whoever started it: standard input is a pipe that ends with them.
    """
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    awake, bell = socket.socketpair()
    for end in (awake, bell):
        end.settimeout(0)
    signal.signal(signal.SIGCHLD, _heard)
    signal.set_wakeup_fd(bell.fileno())
    waiting: dict[int, socket.socket] = {}
    selector = selectors.DefaultSelector()
    selector.register(listening, selectors.EVENT_READ)
    selector.register(awake, selectors.EVENT_READ)
    selector.register(0, selectors.EVENT_READ)
    os.write(1, b"ready\n")
    while True:
        ready = {key.fileobj for key, _ in selector.select()}
        if 0 in ready:  # whoever started it has ended, however that was
            sys.exit()
        if awake in ready:
            awake.recv(4096)
            _bury(waiting)
        if listening in ready:
            connection, _ = listening.accept()
            arguments, folder, env, outputs = _request(connection)
            waiting[pid := os.fork()] = connection
            if not pid:
                selector.close()
                _forget((listening, awake, bell, *waiting.values()))
                _become(folder, env, outputs)
                return arguments
            for descriptor in outputs:
                os.close(descriptor)
            connection.sendall(b"%d\n" % pid)


def _forget(sockets: Iterable[socket.socket]) -> None:
    """Leave to the process that forks what is its own."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for one in sockets:
        one.close()


def _heard(_number: int, _frame: FrameType | None) -> None:
    """Let the signal arrive: the selector is woken through its socket."""


def _bury(waiting: dict[int, socket.socket]) -> None:
    for pid in list(waiting):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with waiting.pop(pid) as connection:
                try:
                    connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
                except BrokenPipeError:
                    continue  # whoever asked gave up waiting


def _request(connection: socket.socket) -> tuple[list[str], str, dict[str, str], list[int]]:
    head, descriptors, _, _ = socket.recv_fds(connection, 8, 2)
    with connection.makefile("rb") as given:
        arguments, folder, env = json.loads(given.read(int(head)))
    return arguments, folder, env, descriptors


def _become(folder: str, env: dict[str, str], outputs: list[int]) -> None:
    """Take over what a new process would have been given."""
    for target, descriptor in enumerate([os.open(os.devnull, os.O_RDONLY), *outputs]):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(folder)
    sys.path[0] = folder  # as `python -m` has it
    os.environ.clear()
    os.environ.update(env)


if __name__ == "__main__":
    load()
    assert threading.active_count() == 1, "a process with threads cannot be forked"
    sys.argv = ["crm-steward", *serve(sys.argv[1])]
    runpy.run_module("crm_steward", run_name="__main__", alter_sys=True)
