"""What all tests share: databases of both kinds, a clock, and the command line as users call it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

from crm_steward.store.database import Database

# How fast an example is made or run depends on who else uses the machine; what it shows does not.
# In CI the same examples each time: a gate that is green stays so. `make soak` looks for new ones.
settings.register_profile(
    "steward",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
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

Cli = Callable[..., subprocess.CompletedProcess[str]]


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


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database: a SQLite file, then a PostgreSQL database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/steward.db"
        return
    server: str = request.getfixturevalue("postgres_url")
    name = f"t{uuid4().hex}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield server.replace("/postgres?", f"/{name}?")
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Give an empty database at the present schema, of both kinds in turn."""
    with Database.open(database_url) as opened:
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


@pytest.fixture
def steward(tmp_path: Path) -> Cli:
    """Give `crm-steward` as a user calls it: a process of its own, in an empty folder."""

    def run(
        *arguments: str | Path, timeout: float = 120, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "crm_steward", *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "COLUMNS": "120", "NO_COLOR": "1", **(env or {})},
        )

    return run
