"""restore --test on PostgreSQL: what pg_restore made of a dump is looked at, with its own programs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from tests.conftest import Cli
from tests.unit.store.test_rehearsing import write_task

from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import Contact, RecordRef
from crm_steward.store.database import HEAD, Database
from crm_steward.store.mirror import Mirror
from crm_steward.store.reminders import Duty, Reminders
from crm_steward.store.restored import Restored

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)
Made = Callable[[str], str]
"""Makes a database of that name; returns its URL."""


@pytest.fixture
def made(postgres_url: str) -> Iterator[Made]:
    """Give what makes databases of the server; they are gone at the end."""
    names: list[str] = []
    engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")

    def make(name: str) -> str:
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        names.append(name)
        return postgres_url.replace("/postgres?", f"/{name}?")

    yield make
    with engine.connect() as connection:
        for name in names:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def name() -> str:
    """Give a name for databases of this test."""
    return f"t{uuid4().hex}"


@pytest.fixture
def present(made: Made, name: str, tmp_path: Path) -> Iterator[Database]:
    """Give the database at work, which the settings name: three contacts and a journal."""
    url = made(name)
    (tmp_path / "crm-steward.yaml").write_text(f"database: {url}\n", "utf-8")
    with Database.open(url) as opened:
        people = tuple(Contact(ref=RecordRef("crm", str(n)), full_name="Ada") for n in range(3))
        page = Page(cursor=Cursor("1"), contacts=people, complete=True)
        Mirror(opened).save_page("crm", "fake", page, now=NOW, full=True)
        write_task(opened, "1")
        yield opened


@pytest.fixture
def restored(present: Database, made: Made, name: str, postgres_programs: Path) -> str:
    """Give the name of a database that a dump of the present one was restored into."""
    beside = f"{name}_test"
    made(beside)
    place = ("--username=steward", f"--host={present.engine.url.query['host']}")
    dumped = _ran(postgres_programs / "pg_dump", *place, "--format=custom", name)
    _ran(
        postgres_programs / "pg_restore",
        *place,
        "--exit-on-error",
        f"--dbname={beside}",
        given=dumped,
    )
    write_task(present, "2")
    return beside


def _ran(program: Path, *arguments: str, given: bytes = b"") -> bytes:
    done = subprocess.run([program, *arguments], input=given, capture_output=True, check=True)
    return done.stdout


def _beside(present: Database, name: str) -> Database:
    url = present.engine.url.set(database=name)
    return Database(sa.create_engine(url, hide_parameters=True))


def test_a_whole_dump_passes(steward: Cli, restored: str) -> None:
    """It is noted with who did it; the present database went on since the dump."""
    said = ("--by", "Dana", "--made-at", "2026-11-16T07:00:00", "--json")

    done = steward("restore", "--test", "--in", restored, *said)

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["passed"], document["file"], document["by"]) == (True, restored, "Dana")
    assert document["note"] == (
        f"copy of 2026-11-16 07:00 UTC, schema {HEAD}, 3 contacts (3 now), 2 journal lines"
    )
    listed = json.loads(steward("reminders", "--json").stdout)
    assert [one["overdue"] for one in listed if one["duty"] == "restore-test"] == [False]


def test_an_older_dump_is_brought_to_the_present_schema(
    steward: Cli, present: Database, restored: str
) -> None:
    """One of an earlier version is opened as the program would open it after a restore."""
    before = f"{int(HEAD) - 1:04}"
    with _beside(present, restored) as beside, beside.write() as writing:
        writing.execute(sa.text("DROP TABLE reminders"))
        writing.execute(sa.text(f"UPDATE alembic_version SET version_num = '{before}'"))

    done = steward("restore", "--test", "--in", restored, "--json")

    assert done.returncode == 0, done.stderr
    assert f"schema {before}, 3 contacts" in json.loads(done.stdout)["note"]
    with _beside(present, restored) as beside:
        assert beside.version() == HEAD


def test_an_altered_journal_is_told(steward: Cli, present: Database, restored: str) -> None:
    """11: a line of the dump is not what was written."""
    with _beside(present, restored) as beside, beside.write() as writing:
        writing.execute(sa.text("SET session_replication_role = replica"))  # past the guards
        writing.execute(sa.text("UPDATE journal SET rule = 'another' WHERE seq = 1"))

    done = steward("restore", "--test", "--in", restored)

    assert done.returncode == 11, done.stderr


def test_a_journal_that_went_on_otherwise_is_foreign(
    steward: Cli, present: Database, restored: str
) -> None:
    """10: it is of this installation, and its journal is not the beginning of the present one."""
    with _beside(present, restored) as beside:
        write_task(beside, "3")

    done = steward("restore", "--test", "--in", restored, "--json")

    assert done.returncode == 10, done.stderr
    assert json.loads(done.stdout)["result"] == "foreign"


def test_a_database_of_another_installation_is_left_alone(
    steward: Cli, present: Database, made: Made, name: str
) -> None:
    """10, and nothing is migrated in it: it may be at work, with an older program."""
    other = f"{name}_other"
    Database.open(made(other)).close()
    with _beside(present, other) as beside, beside.write() as writing:
        writing.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))

    done = steward("restore", "--test", "--in", other, "--json")

    assert done.returncode == 10, done.stderr
    assert json.loads(done.stdout)["result"] == "foreign"
    with _beside(present, other) as beside:
        assert beside.version() == "0001"


def test_in_marks_nothing_as_restored(steward: Cli, present: Database, tmp_path: Path) -> None:
    """Without --test, or beside a file, --in is a mistake, and not a restore."""
    (tmp_path / "copy.dump").touch()

    assert steward("restore", "--in", "anything").returncode == 2
    assert steward("restore", "copy.dump", "--test", "--in", "anything").returncode == 2
    assert Restored.of(present) is None


def test_what_cannot_be_looked_at_is_named(
    steward: Cli, present: Database, made: Made, name: str
) -> None:
    """The present one, an empty one, one of a newer program, one that is not there."""
    empty = f"{name}_empty"
    made(empty)

    itself = steward("restore", "--test", "--in", name)
    noted = Reminders(present).deeds(Duty.RESTORE_TEST, 9)
    nothing = steward("restore", "--test", "--in", empty)
    absent = steward("restore", "--test", "--in", f"{name}_absent")
    with _beside(present, empty) as beside:
        assert beside.version() is None
        with beside.write() as writing:
            writing.execute(sa.text("CREATE TABLE alembic_version (version_num text)"))
            writing.execute(sa.text("INSERT INTO alembic_version VALUES ('9999')"))
    newer = steward("restore", "--test", "--in", empty)

    assert (itself.returncode, nothing.returncode, newer.returncode) == (10, 10, 10)
    assert f"{name} is the present database" in itself.stderr
    assert "holds no database of crm-steward" in nothing.stderr
    assert "of a newer crm-steward" in newer.stderr
    assert absent.returncode == 7
    assert noted == []
    assert len(Reminders(present).deeds(Duty.RESTORE_TEST, 9)) == 3
    assert json.loads(steward("reminders", "--json").stdout)[-1]["overdue"] is True


@pytest.mark.usefixtures("present")
def test_a_file_is_restored_by_its_own_tools(steward: Cli, tmp_path: Path) -> None:
    """A dump is not restored here, and --in is for PostgreSQL: each says what to type."""
    file = steward("restore", "copy.dump", "--test")
    (tmp_path / "crm-steward.yaml").write_text("database: sqlite:///steward.db\n", "utf-8")
    beside = steward("restore", "--test", "--in", "anything")

    assert (file.returncode, beside.returncode) == (10, 10)
    assert "pg_restore --exit-on-error" in file.stderr
    assert "restore FILE --test" in beside.stderr
