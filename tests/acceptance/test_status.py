"""status as people look at it: what stands, what needs a person and what to do, from the database alone."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from tests.acceptance.conftest import Account, Office
from tests.conftest import Cli

from crm_steward.model import utc_now
from crm_steward.store.database import Database
from crm_steward.store.jobs import Jobs, JobState
from crm_steward.store.outbox import Outbox
from crm_steward.store.tables import reminders


def looked(steward: Cli, code: int) -> dict[str, dict[str, Any]]:
    """Return the parts by name; the page for people and the one for programs say the same."""
    done, page = steward("status", "--json"), steward("status")
    assert (done.returncode, page.returncode) == (code, code), done.stderr + page.stderr
    document = json.loads(done.stdout)
    assert document["ok"] is (code == 0)
    parts = {part["name"]: part for part in document["parts"]}
    lines = page.stdout.splitlines()
    for name, part in parts.items():
        mark = "✓" if part["ok"] else "!"
        assert any(line.startswith(f"{mark} {name}") for line in lines), (name, page.stdout)
    return parts


def done_well(steward: Cli, *commands: str) -> None:
    """Call commands that must end well."""
    for command in commands:
        done = steward(*command.split())
        assert done.returncode == 0, done.stderr


def wrong(parts: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return what needs a person, with what to do."""
    return {name: part["remedy"] for name, part in parts.items() if not part["ok"]}


def test_from_nothing_to_a_plan_that_waits(steward: Cli, office: Office, account: Account) -> None:
    """First what comes next; after the loop all is well, and the plan says how it is approved."""
    office()
    first = wrong(looked(steward, 1))
    assert first["connection hubspot"] == "crm-steward pull --connection hubspot"
    assert "crm-steward scan" in first["rules"]

    done_well(steward, "pull", "scan", "plan")
    calls = len(account.server.log)
    parts = looked(steward, 0)

    assert len(account.server.log) == calls, "no CRM is called"
    assert parts["connection hubspot"]["facts"]["contacts"] == 150
    assert sum(parts["rules"]["facts"]["standing"].values()) > 0
    plan = parts["plan"]["facts"]
    assert plan["changes"] >= plan["waiting_for_approval"] > 0
    assert f"crm-steward apply {plan['hash']} --approve RULE --yes" in parts["plan"]["remedy"]
    assert parts["database"]["facts"]["bytes"] > 0
    assert parts["database"]["facts"]["writer"] is None


def test_what_stops_writing_is_named_with_its_remedy(
    steward: Cli, office: Office, tmp_path: Path
) -> None:
    """A pause, the stop file and a restored copy, each on a line of its own, until it is over."""
    office()
    done_well(steward, "pull", "scan", "backup copy.db", "restore copy.db")
    done_well(steward, "pause --reason Import --by Dana")
    (tmp_path / "STOP-WRITING").touch()

    page = " ".join(steward("status").stdout.split())

    assert "Nothing is written: paused by Dana since" in page
    assert 'To resume: crm-steward resume --reason "…"' in page
    assert "STOP-WRITING exists" in page
    assert "nothing is written to hubspot until it is reconciled" in page
    assert "crm-steward pull --full" in page


@pytest.mark.parametrize(
    ("blocks", "says", "remedy"),
    [
        ({"token": "pat-wrong"}, "paused: ", "Renew the credential"),
        ({"base_url": "http://127.0.0.1:9"}, "", ""),
    ],
)
def test_a_connection_that_cannot_be_read(
    steward: Cli, office: Office, blocks: dict[str, str], says: str, remedy: str
) -> None:
    """A refused credential needs a person; a CRM that is away for a moment does not, yet."""
    path = office()
    done_well(steward, "pull", "scan")
    settings = path.read_text("utf-8").splitlines()
    for name, value in blocks.items():
        settings = [
            line.partition(":")[0] + f": {value}" if line.strip().startswith(f"{name}:") else line
            for line in settings
        ]
    path.write_text("\n".join(settings), "utf-8")
    assert steward("pull").returncode != 0

    part = looked(steward, 1 if remedy else 0)["connection hubspot"]

    assert part["text"].startswith(says)
    assert part["remedy"].startswith(remedy)
    assert part["facts"]["last_error"]


def test_a_source_that_shrank_and_a_service_that_is_gone(
    steward: Cli, office: Office, tmp_path: Path
) -> None:
    """Frozen with the way out; jobs that fail, a report given up and silence are seen."""
    people = "id,first name\n" + "".join(f"{n},Jeanne\n" for n in range(100))
    (tmp_path / "people.csv").write_text(people, "utf-8")
    office(
        connections={"people": {"kind": "file", "path": "people.csv"}},
        mail={"host": "mail.example.net", "sender": "steward@example.net"},
        report={"recipients": [{"address": "a@example.net"}]},
    )
    done_well(steward, "pull", "scan")
    (tmp_path / "people.csv").write_text(people[: len(people) // 2], "utf-8")
    steward("pull", "--full")
    long_ago = utc_now() - timedelta(hours=5)
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as database:
        Jobs(database).save("scan", JobState(last_attempt_at=long_ago, failures=3))
        box = Outbox(database)
        texts = {"period": "2026-W47", "subject": "s", "message": "m", "now": long_ago}
        box.add(id="1", recipient="a@example.net", **texts)  # type: ignore[arg-type] # of several types
        letter = box.claim("1", long_ago)
        assert letter is not None
        box.fail(letter, "550")
        for number, period in enumerate(("alert-000001", "2026-W47-owner", "2026-W46-privacy")):
            box.add(id=f"x{number}", recipient="a@example.net", **{**texts, "period": period})  # type: ignore[arg-type] # same

    parts = looked(steward, 1)

    found = wrong(parts)
    assert "--accept-shrink" in found["connection people"]
    assert "crm-steward run" in found["service"]
    assert "scan failed 3 times in a row; it does not run" in parts["service"]["text"]
    assert parts["report"]["text"] == "2026-W47: sent to 0 of 2; 1 given up"
    assert "report --send --again" in found["report"]
    assert found.keys() == {"connection people", "service", "report"}


def test_a_database_that_cannot_be_used(steward: Cli, office: Office, tmp_path: Path) -> None:
    """Ends with 7, as everywhere."""
    office()
    (tmp_path / "steward.db").write_bytes(b"garbage" * 1000)
    assert steward("status").returncode == 7


@pytest.mark.usefixtures("account")
def test_a_restore_test_is_called_for_when_it_is_time(
    steward: Cli, office: Office, tmp_path: Path
) -> None:
    """How it is done while there was none; what failed or is overdue needs a person."""
    office()
    done_well(steward, "pull", "scan")
    part = looked(steward, 0)["restore test"]
    assert part["text"].startswith("none was made yet, the next is due ")
    assert part["remedy"].startswith("crm-steward restore FILE --test; schedule it, or set service")

    done_well(steward, "backup copy.db", "restore copy.db --test")
    part = looked(steward, 0)["restore test"]
    assert part["text"].startswith("a backup was restored just now")
    assert part["remedy"] == ""

    (tmp_path / "broken.db").write_bytes(b"rubbish" * 1000)
    assert steward("restore", "broken.db", "--test").returncode == 10
    part = looked(steward, 1)["restore test"]
    assert "it failed: unreadable" in part["text"]
    assert "crm-steward restore FILE --test" in part["remedy"]

    done_well(steward, "restore copy.db --test")
    long_ago = utc_now() - timedelta(days=40)
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as database, database.write() as w:
        w.execute(sa.update(reminders).values(at=long_ago))
    assert "restore FILE --test" in wrong(looked(steward, 1))["restore test"]


@pytest.mark.usefixtures("account")
def test_on_postgresql_it_says_what_is_to_be_scheduled(
    steward: Cli, office: Office, database_of_its_own: str
) -> None:
    """The service cannot restore a dump by itself: the page says what does."""
    office(database=database_of_its_own)
    done_well(steward, "pull", "scan")
    part = looked(steward, 0)["restore test"]
    wanted = "pg_restore, then crm-steward restore --test --in NAME; schedule it (deploy/README.md"
    assert part["remedy"].startswith(wanted)


@pytest.fixture
def database_of_its_own(postgres_url: str) -> str:
    """Give an empty database on the PostgreSQL server of the tests."""
    name = f"t{uuid4().hex}"
    engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return postgres_url.replace("/postgres?", f"/{name}?")
