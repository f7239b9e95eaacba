"""What all tests share: databases of both kinds, a clock, and the command line as users call it."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from tests.compiled import sharing
from tests.forked import without_disk
from tests.migrated import copying, reborn
from tests.program import ENV, Program, forking
from tests.whole import drawn, portion, some

from crm_steward.store import database as database_module
from crm_steward.store.database import Database

# How fast an example is made or run depends on who else uses the machine; what it shows does not.
# In CI the same examples each time: a gate that is green stays so. `make soak` looks for new ones.
settings.register_profile(
    "steward",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=some(100, 30),
    derandomize="CI" in os.environ,
)
settings.register_profile(
    "soak",
    parent=settings.get_profile("steward"),
    max_examples=400,
    stateful_step_count=50,
    derandomize=False,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steward"))

# The suite that is shipped for connectors explains its assertions as tests of ours do.
pytest.register_assert_rewrite("crm_steward.testing")

_PREPARE = database_module._prepare_sqlite
Cli = Callable[..., subprocess.CompletedProcess[str]]


_LONG_SECONDS = 3600
_CRMS = ("hubspot", "pipedrive", "salesforce", "zoho")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take a share of all; let each worker begin with its part of the long ones, and give those time.

    Whoever names tests gets all of those. The scheduler gives each worker one part of the list to begin with, all of a size; what is left
    in the end is shared out in small portions, so nothing long may be left.
    """
    if config.args == config.getini("testpaths") and (left := _left(items)):
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]
    workers: int = getattr(config, "workerinput", {}).get("workercount", 1)
    long = [item for item in items if item.get_closest_marker("long")]
    rest = [item for item in items if not item.get_closest_marker("long")]
    seconds = 0 if config.getoption("timeout") == 0 else _LONG_SECONDS  # 0: no end, as in the soak
    for item in long:
        item.add_marker(pytest.mark.timeout(seconds))
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        end = len(items) * (worker + 1) // workers
        ordered += long[worker::workers]
        room = max(0, end - len(ordered))
        ordered += rest[:room]
        del rest[:room]
    items[:] = ordered + rest


def _left(items: list[pytest.Item]) -> set[pytest.Item]:
    """Return what is left to `make test-whole`: where others have tried the same on PostgreSQL.

    On SQLite all run. What the store does, and what users see of it, runs on both; of what stands on
    the store one test in four, of a scenario that runs with each CRM, one of them.
    """
    left: set[pytest.Item] = set()
    scenarios: dict[str, dict[str, pytest.Item]] = {}
    for item in items:
        given: Mapping[str, object] = getattr(getattr(item, "callspec", None), "params", {})
        if given.get("database_url") != "postgresql":
            continue
        name = item.nodeid.replace("postgresql", "")
        scenario, _, case = name.partition("[")
        if "tests/unit/" in name:
            if "tests/unit/store/" not in name and not drawn(name, one_in=4):
                left.add(item)
        elif any(crm in case for crm in _CRMS):
            scenarios.setdefault(scenario, {})[item.nodeid] = item
    for scenario, found in scenarios.items():
        kept = portion(sorted(found), scenario, one_in=len(found))
        left |= {item for name, item in found.items() if name not in kept}
    return left


def pytest_collection_finish() -> None:
    """Let collections of garbage pass over what was loaded: it stays to the end."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let what was loaded be taken apart at the end like everything else."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    """Give the folder of PostgreSQL's programs; in CI they must be there, elsewhere its tests skip."""
    folder = _postgres_programs()
    if folder is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed; CI tests both databases")
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return folder


@pytest.fixture(scope="session")
def postgres_url(postgres_programs: Path) -> Iterator[str]:
    """Start a PostgreSQL server of our own."""
    # Not in pytest's own folder: it deletes those of older sessions while a server may run there.
    with (
        TemporaryDirectory(prefix="steward-postgres-") as data,
        PostgresServer(postgres_programs, Path(data)) as server,
    ):
        yield server.url


def _postgres_programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if found:
        return found[-1].parent
    on_path = shutil.which("pg_ctl")
    return Path(on_path).resolve().parent if on_path else None


@dataclass
class PostgresServer:
    """A PostgreSQL server in a folder, reachable through a socket in it; its pages have checksums."""

    programs: Path
    data: Path
    hasty: bool = True
    """Whether what it committed last may be lost when it is stopped as after a crash."""

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"postgresql+psycopg://steward@/postgres?host={self.data}"

    def __enter__(self) -> Self:
        self.data.chmod(0o777)
        options = ("-U", "steward", "-A", "trust", "--no-sync", "--data-checksums")
        self._run("initdb", "-D", f"{self.data}/db", *options)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it."""
        options = f"-c listen_addresses='' -c unix_socket_directories={self.data} -c fsync=off"
        if self.hasty:
            options += " -c synchronous_commit=off -c full_page_writes=off"
        log = f"{self.data}/log"
        self._run("pg_ctl", "-D", f"{self.data}/db", "-o", options, "-w", "-l", log, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it, as after a crash; with `fast`, as ops do."""
        self._run("pg_ctl", "-D", f"{self.data}/db", "-m", mode, "-w", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        # PostgreSQL refuses to run as root.
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*user, str(self.programs / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=self.data)


@pytest.fixture(scope="session", autouse=True)
def migrated() -> Iterator[None]:
    """Let SQLite databases of this process be copies of one that was migrated, and share statements."""
    with copying(), sharing():
        yield


@pytest.fixture(scope="session", autouse=True)
def hasty() -> Iterator[None]:
    """Let nothing wait for a disk in this process, where no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        patch.setattr(database_module, "_prepare_sqlite", without_disk(_PREPARE))
        yield


@pytest.fixture
def durable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SQLite wait for the disk, as it does for users."""
    monkeypatch.setattr(database_module, "_prepare_sqlite", _PREPARE)


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> str:
    """Give the name of a database at the present schema, to copy."""
    _execute(postgres_url, "CREATE DATABASE migrated")
    Database.open(postgres_url.replace("/postgres?", "/migrated?")).close()
    return "migrated"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database: a SQLite file, then a PostgreSQL database.

    A test that takes `database` as well gets what that one opens: a database at the present schema.
    """
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/steward.db"
        return
    server: str = request.getfixturevalue("postgres_url")
    name = f"t{uuid4().hex}"
    template = ""
    if "database" in request.fixturenames:
        template = f" TEMPLATE {request.getfixturevalue('postgres_template')}"
    _execute(server, f"CREATE DATABASE {name}{template}")
    yield server.replace("/postgres?", f"/{name}?")
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(server: str, statement: str) -> None:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Give an empty database at the present schema, of both kinds in turn."""
    with Database.open(database_url) as opened:
        if opened.dialect == "postgresql":
            reborn(opened)
        yield opened


@dataclass
class SetClock:
    """A clock that stands until it is moved."""

    now: datetime = datetime(2026, 11, 16, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> datetime:
        """Move on by timedelta(**amount)."""
        self.now += timedelta(**amount)
        return self.now


@pytest.fixture
def clock() -> SetClock:
    """Give a clock that stands at Monday 16 November 2026, 08:00 UTC."""
    return SetClock()


@pytest.fixture(scope="session")
def program() -> Iterator[Program]:
    """Give what starts the program; with STEWARD_LOAD_ANEW each process loads it anew."""
    env = {**os.environ, **ENV}
    if "STEWARD_LOAD_ANEW" in os.environ:
        yield Program(env)
        return
    with forking(env) as ready:
        yield ready


@pytest.fixture
def steward(tmp_path: Path, program: Program) -> Cli:
    """Give `crm-steward` as a user calls it: a process of its own, in an empty folder."""
    return calling(program, tmp_path, durable=False)


def calling(program: Program, folder: Path, *, durable: bool) -> Cli:
    """Return what calls the program in a folder; where not `durable`, SQLite waits for no disk."""

    def run(
        *arguments: str | Path, timeout: float = 120, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        whole = {**os.environ, **ENV, **(env or {})}
        words = list(map(str, arguments))
        return program.run(words, cwd=folder, env=whole, durable=durable, timeout=timeout)

    return run
