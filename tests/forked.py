"""A process that has loaded the program, and forks the commands that tests ask for.

Started by a worker of pytest as a script (`tests.program` asks it). It loads what commands load, then
forks a process for each request that comes through a socket: with its own folder, environment and
outputs, and its own end. Loading takes most of a short command's time, and nothing that a kill could
harm happens then. What a fork cannot show, whether the program loads at all, is shown by
`make test-wheel`, where each command is a new interpreter, and by tests/unit/cli/test_loading.py.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from types import FrameType
from typing import NamedTuple, NoReturn

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
OTHERS = (
    "crm_steward.store.migrations",
    "alembic.runtime.migration",
    "duckdb",
    "psycopg",
    "time_machine",
)


def load() -> None:
    """Load every module that a command may load, and what those read once for a process."""
    for package in PACKAGES:
        for module in walk_packages(import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__") and not module.name.startswith(APART):
                import_module(module.name)
    for name in OTHERS:
        import_module(name)
    _read_commands()
    _read_migrations()
    _read_data()


def _read_commands() -> None:
    """Let the options of commands be read once."""
    commands = import_module("typer.main")
    commands.get_command = cache(commands.get_command)
    commands.get_command(import_module("crm_steward.cli.app").app)


def _read_migrations() -> None:
    """Let the files of migrations be read once; what they do is done in each process."""
    util, scripts = import_module("alembic.util"), import_module("alembic.script")
    load = util.load_python_file
    known = cache(load)
    # `env.py` works while it is loaded.
    util.load_python_file = lambda folder, name: (load if name == "env.py" else known)(folder, name)
    configuration = import_module("crm_steward.store.migrations").configuration()
    assert list(scripts.ScriptDirectory.from_config(configuration).walk_revisions())


def _read_data() -> None:
    """Let what the program keeps of names, phrases, plug-ins and templates be read once."""
    normalize = import_module("crm_steward.normalize")
    names = import_module("crm_steward.matching.given_names")
    templates = import_module("crm_steward.report.pages").environment()
    normalize.country_code("France")
    normalize.language_code("français")
    normalize.phone_e164("+33 1 42 68 53 00", "FR")
    names.given_names()
    names.formal_names()
    import_module("crm_steward.connect.discovery").installed()
    for language in ("en", "fr"):
        import_module("crm_steward.rules.lexicons").lexicon(language)
        import_module("crm_steward.report.words")._phrases(language)
    for name in templates.list_templates():
        templates.get_template(name)


class Asked(NamedTuple):
    """What a command is to be.

    Args:
        arguments: Its command line.
        folder: Where.
        env: Its environment.
        code: Python to run instead of the program.
        durable: Whether it waits until the disk has what was written.
    """

    arguments: list[str]
    folder: str
    env: dict[str, str]
    code: str | None
    durable: bool


class Forking:
    """Forks a process for each request, and buries them.

    It ends with whoever started it: standard input is a pipe that ends with them.

    Args:
        address: The socket to listen on.
    """

    def __init__(self, address: str) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(address)
        self._listening.listen()
        self._awake, self._bell = socket.socketpair()
        for end in (self._awake, self._bell):
            end.settimeout(0)
        self._running: set[int] = set()
        self._askers: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        for one in (0, self._listening, self._awake):
            self._selector.register(one, selectors.EVENT_READ)

    def serve(self) -> Asked:
        """Serve; return in each process that is forked, with what was asked for."""
        signal.signal(signal.SIGCHLD, _heard)
        signal.set_wakeup_fd(self._bell.fileno())
        os.write(1, b"ready\n")
        while True:
            for key, _ in self._selector.select():
                if key.fileobj == 0:
                    self._end()
                elif key.fileobj is self._awake:
                    self._awake.recv(4096)
                    self._tell()
                elif key.fileobj is not self._listening:
                    self._bury(key.data)
                elif (asked := self._fork()) is not None:
                    return asked

    def _fork(self) -> Asked | None:
        connection, _ = self._listening.accept()
        asked, outputs = _request(connection)
        pid = os.fork()
        self._askers[pid] = connection
        if not pid:
            self._leave()
            _become(asked, outputs)
            return asked
        for descriptor in outputs:
            os.close(descriptor)
        self._running.add(pid)
        self._selector.register(connection, selectors.EVENT_READ, pid)
        connection.sendall(b"%d\n" % pid)
        return None

    def _leave(self) -> None:
        """Leave to the process that forks what is its own."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for one in (self._listening, self._awake, self._bell, *self._askers.values()):
            one.close()

    def _tell(self) -> None:
        """Tell who asked which processes ended; their numbers stay taken."""
        for pid in list(self._running):
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None:
                self._running.remove(pid)
                whole = ended.si_code == os.CLD_EXITED
                code = ended.si_status if whole else -ended.si_status
                # Whoever asked may have given up waiting.
                with suppress(BrokenPipeError):
                    self._askers[pid].sendall(b"%d\n" % code)

    def _bury(self, pid: int) -> None:
        """Let a process go whose asker went."""
        connection = self._askers.pop(pid)
        self._selector.unregister(connection)
        connection.close()
        self._running.discard(pid)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def _end(self) -> NoReturn:
        for pid in self._running:
            os.kill(pid, signal.SIGKILL)
        sys.exit()


def _heard(_number: int, _frame: FrameType | None) -> None:
    """Let the signal arrive: the selector is woken through its socket."""


def _request(connection: socket.socket) -> tuple[Asked, list[int]]:
    head, descriptors, _, _ = socket.recv_fds(connection, 8, 2)
    with connection.makefile("rb") as given:
        return Asked(*json.loads(given.read(int(head)))), descriptors


def _become(asked: Asked, outputs: list[int]) -> None:
    """Take over what a new process would have been given."""
    for target, descriptor in enumerate([os.open(os.devnull, os.O_RDONLY), *outputs]):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(asked.folder)
    sys.path[0] = asked.folder  # as `python -m` has it
    os.environ.clear()
    os.environ.update(asked.env)
    tempfile.tempdir = None  # asked for anew


def become(asked: Asked) -> None:
    """Run what was asked for to its end."""
    if not asked.durable:
        database = import_module("crm_steward.store.database")
        database._prepare_sqlite = without_disk(database._prepare_sqlite)
        os.fsync = lambda _descriptor: None
    sys.argv = ["-c" if asked.code else "crm-steward", *asked.arguments]
    first = ["-m", "crm_steward"] if asked.code is None else ["-c", asked.code]
    sys.orig_argv[1:] = [*first, *asked.arguments]
    try:
        if asked.code is None:
            runpy.run_module("crm_steward", run_name="__main__", alter_sys=True)
        else:
            exec(compile(asked.code, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102
        code = 0
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        code = ended.code or 0
    _exit(code)


Prepare = Callable[[sqlite3.Connection, object], None]


def without_disk(prepare: Prepare) -> Prepare:
    """Return what prepares a connection of SQLite to wait for no disk.

    What a kill leaves is the same; only a cut of power would leave something else.
    """

    def prepared(connection: sqlite3.Connection, record: object) -> None:
        prepare(connection, record)
        connection.execute("PRAGMA synchronous = OFF").close()

    return prepared


def _exit(code: int) -> NoReturn:
    """End as an interpreter ends, but for taking apart all that was loaded, which takes long."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    load()
    assert threading.active_count() == 1, "a process with threads cannot be forked"
    # What is loaded stays: no collection of a forked process needs to go through it, nor copies it.
    gc.collect()
    gc.freeze()
    become(Forking(sys.argv[1]).serve())
