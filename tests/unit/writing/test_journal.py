"""The journal: chained, append-only, purged on schedule, and it says when somebody was at it."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.writing.conftest import NAMES, TASKS, World
from tests.unit.writing.test_merge import MERGE, record
from typer.testing import CliRunner

from crm_steward.cli.app import app
from crm_steward.connect.neutral import rearm
from crm_steward.model import Email, StoreError
from crm_steward.model.contact import Contact, RecordRef
from crm_steward.store import chain
from crm_steward.store.database import Database
from crm_steward.store.evidence import evidence
from crm_steward.store.journal import State
from crm_steward.store.lease import hold
from crm_steward.store.migrations import upgrade
from crm_steward.store.plans import Plans
from crm_steward.store.purging import Purged, purge
from crm_steward.store.redirects import redirects
from crm_steward.store.verifying import verify
from crm_steward.testing import Fault
from crm_steward.writing import plan_undo

SILENCE = """
  - id: silence
    about: Nobody may write to them
    check: {kind: condition, holds: {field: email, is: set}}
    actions: [suppress: {channel: email}]
    mode: propose
"""


def written(world: World) -> None:
    """Write a name, a task and a suppression: six lines."""
    world.rules(NAMES, TASKS, SILENCE)
    world.crm.add("1", first_name="JEANNE")
    world.crm.add(Contact(ref=RecordRef("crm", "2"), emails=(Email("no@example.org"),)))
    world.run("all")
    assert len(world.journal()) >= 6


def execute(world: World, statement: str) -> None:
    """Do to the database what somebody with its password can do."""
    with world.database.write() as writing:
        writing.execute(sa.text(statement))


def unguard(world: World) -> None:
    """Drop the triggers, as whoever owns the database can."""
    on = "" if world.database.dialect == "sqlite" else " ON journal"
    for name in ("journal_stays", "journal_holds"):
        execute(world, f"DROP TRIGGER {name}{on}")


def forget(world: World, days: int) -> Purged:
    """Purge after so many days, with the default periods."""
    now = world.clock.forward(days=days)
    with hold(world.database, clock=world.clock) as lease:
        return purge(
            world.database,
            values_before=now - timedelta(days=90),
            evidence_before=now - timedelta(days=1826),
            now=now,
            lease=lease,
        )


def test_what_was_written_is_a_sound_chain(any_world: World) -> None:
    """Every line fits, over several runs; the hash of the end is found again when more follows."""
    assert verify(any_world.database).sound
    written(any_world)
    before = verify(any_world.database)
    any_world.undo("name-case")
    after = verify(any_world.database, before.head[:12])

    assert before.sound
    assert after.sound
    assert after.lines > before.lines == len(any_world.journal()) - 2
    assert not verify(any_world.database, "0123456789").sound


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM journal WHERE seq = 2",
        "UPDATE journal SET rule = 'another' WHERE seq = 1",
        "UPDATE journal SET state = 'rejected' WHERE seq = 2",
        "UPDATE journal SET change = NULL WHERE seq = 1",
        "UPDATE journal SET id = '9' WHERE seq = 1",
        "UPDATE journal SET values_salt = NULL, id = '9' WHERE seq = 1",
        "UPDATE journal SET values_salt = 'x' WHERE seq = 1",
        "UPDATE journal SET hash = 'x', values_salt = NULL WHERE seq = 1",
    ],
)
def test_the_database_refuses_to_change_the_journal(any_world: World, statement: str) -> None:
    """Lines are neither removed nor altered, whoever asks; what stood still stands."""
    written(any_world)
    before = any_world.journal()

    with pytest.raises(StoreError):
        execute(any_world, statement)

    assert any_world.journal() == before


def test_postgresql_refuses_to_empty_the_journal(any_world: World) -> None:
    """TRUNCATE passes by row triggers, and is refused as well; SQLite has no such statement."""
    written(any_world)
    before = len(any_world.journal())
    statement = (
        "TRUNCATE journal" if any_world.database.dialect != "sqlite" else "DELETE FROM journal"
    )

    with pytest.raises(StoreError):
        execute(any_world, statement)

    assert len(any_world.journal()) == before


@pytest.mark.parametrize(
    ("statement", "first", "what"),
    [
        ("UPDATE journal SET rule = 'another' WHERE seq = 3", 3, "when it was written"),
        ("UPDATE journal SET at = at + 1 WHERE seq = 2", 2, "when it was written"),
        ("UPDATE journal SET reason = 'fine' WHERE seq = 4", 4, "reason"),
        ("UPDATE journal SET id = '9' WHERE seq = 2", 2, "record"),
        ("DELETE FROM journal WHERE seq = 2", 3, "before it"),
        ("UPDATE journal SET seq = 9999 WHERE seq = 2", 3, "before it"),
        ("UPDATE journal SET values_salt = NULL, reason = 'x' WHERE seq = 2", 2, "purged"),
        ("UPDATE journal SET subject_salt = NULL WHERE seq = 1", 1, "erased"),
        ("UPDATE consent_evidence SET salt = 'x'", 0, "evidence"),
    ],
)
def test_the_first_line_that_was_altered_is_named(
    any_world: World, statement: str, first: int, what: str
) -> None:
    """Past the triggers the chain tells where somebody was at it, and what does not fit."""
    written(any_world)
    unguard(any_world)
    execute(any_world, statement)
    verdict = verify(any_world.database)

    assert not verdict.sound
    assert verdict.fault is not None
    assert what in verdict.fault.what
    assert first in {0, verdict.fault.seq}


@given(place=st.integers(0, 8), column=st.sampled_from(sorted(chain._PLAIN)))
def test_no_line_can_be_altered_unseen(place: int, column: str) -> None:
    """Whatever plain column of whatever line is altered, that line is the first that does not fit."""
    row = {
        **dict.fromkeys(("run", "plan", "state", "kind", "connection", "rule", "key"), "x"),
        **dict.fromkeys(("id", "remote_id", "finding", "reason"), "y"),
        "change": None,
        "undoes": None,
        "epoch": 1,
        "fields": [],
        "at": datetime(2026, 11, 16, tzinfo=UTC),
    }
    rows = list(chain.linked(({**row, "seq": n} for n in range(9)), chain.GENESIS))
    rows[place][column] = "altered"
    previous = chain.GENESIS
    faults = []
    for one in rows:
        faults.append(chain.fault(one, previous))
        previous = one["hash"]

    assert [n for n, what in enumerate(faults) if what] == [place]


def test_values_are_purged_when_their_time_is_over(any_world: World) -> None:
    """After 90 days no value is left in journal or plans; who, what, when and how it ended are."""
    written(any_world)
    assert forget(any_world, days=89) == Purged(lines=0, plans=0, mails=0, evidence=0)
    counted = forget(any_world, days=2)
    intents = any_world.journal(state=State.INTENT)

    assert counted.lines == len(any_world.journal())
    assert counted.plans == 1
    verdict = verify(any_world.database)
    assert verdict.sound
    assert verdict.purged == counted.lines
    assert ("first_name",) in [line.fields for line in intents]
    assert all(line.purged_at for line in intents)
    with any_world.database.read() as reading:
        kept = [*reading.execute(sa.text("SELECT change, reason FROM journal"))]
        kept += [*reading.execute(sa.text("SELECT content, '' FROM plans"))]
        approved = [*reading.execute(sa.text("SELECT approved_by FROM approvals"))]
    assert "JEANNE" not in str(kept)
    assert "no@example.org" not in str(kept)
    assert ("tester",) in approved
    assert forget(any_world, days=1).lines == 0


def test_what_was_purged_is_not_undone(any_world: World) -> None:
    """Undo says that nothing is known any more; nothing is written to the record."""
    written(any_world)
    forget(any_world, days=91)
    result = plan_undo(any_world.database, "name-case")

    assert result.items == ()
    assert ["no longer kept" in why for _, why in result.impossible] == [True]


def test_what_is_under_way_keeps_its_values(world: World) -> None:
    """However old: without them nobody could ask the CRM whether it took effect."""
    world.crm.add("1", first_name="JEANNE")
    world.crm.fail(Fault.LOST_ANSWER)
    world.look()
    world.settle_after = timedelta(days=365)
    world.apply(world.plan().plan)

    assert world.states()[-1] is State.UNKNOWN
    assert forget(world, days=91).lines == 0
    assert world.journal()[0].change is not None


def test_evidence_of_suppressions_outlives_the_values(any_world: World) -> None:
    """It says who approved it and is proven by the journal; it goes when its own period is over."""
    written(any_world)
    forget(any_world, days=91)
    (kept,) = evidence(any_world.database)

    assert (kept["ref"], kept["channel"], kept["address"]) == ("crm:2", "email", "no@example.org")
    assert kept["by"] == "tester"
    assert verify(any_world.database).evidence == 1
    assert forget(any_world, days=1736).evidence == 1
    assert evidence(any_world.database) == []
    assert verify(any_world.database).sound


def test_a_plan_that_was_purged_is_refused(world: World) -> None:
    """It lost its changes, not its name: whoever still has that is told to make a new one."""
    world.crm.add("1", first_name="JEANNE")
    world.look()
    plan = world.plan().plan
    Plans(world.database).save(plan)
    forget(world, days=91)

    with pytest.raises(Exception, match="replaced by a newer one"):
        world.apply(plan)


def test_lines_of_an_older_version_are_linked(database_url: str) -> None:
    """The upgrade chains what stands, keeps evidence of suppressions, and guards it from then on."""
    engine = sa.create_engine(database_url)
    intent = json.dumps(
        {
            "kind": "suppress",
            "ref": "crm:2",
            "channel": "email",
            "address": "no@x.org",
            "reason": "r",
        }
    )
    insert = sa.text(
        "INSERT INTO journal (seq, run, plan, key, state, kind, connection, id, rule, finding, "
        "change, reason, remote_id, epoch, at) VALUES (:seq, 'r', 'p', 'k', :state, 'suppress', "
        "'crm', '2', 'silence', 'f', :change, '', '', 1, :seq)"
    )
    with engine.begin() as connection:
        upgrade(connection, "0011")
        connection.execute(insert, {"seq": 3, "state": "intent", "change": intent})
        connection.execute(insert, {"seq": 7, "state": "verified", "change": None})
    engine.dispose()

    with Database.open(database_url) as database:
        verdict = verify(database)
        assert (verdict.sound, verdict.lines, verdict.evidence) == (True, 2, 1)
        with pytest.raises(StoreError), database.write() as writing:
            writing.execute(sa.text("DELETE FROM journal"))


# -- the command line ---------------------------------------------------------------------------


def typed(world: World, folder: Path, *arguments: str) -> Result:
    """Type a command in a folder with settings."""
    config = folder / "crm-steward.yaml"
    url = world.database.engine.url.render_as_string(hide_password=False)
    config.write_text(f"database: {url}\n", "utf-8")
    name, *rest = arguments
    return CliRunner().invoke(app, ["journal", name, *rest, "--config", str(config)])


@pytest.mark.parametrize(
    ("options", "fits"),
    [
        (["--rule", "name-case"], {"name-case"}),
        (["--record", "crm:2"], {"silence"}),
        (["--ref", "crm:2", "--outcome", "verified"], {"silence"}),
        (["--kind", "suppress"], {"silence"}),
        (["--connection", "crm"], {"name-case", "no-email", "silence"}),
        (["--connection", "other"], set()),
        (["--since", "2026-11-17"], set()),
        (["--until", "2026-11-17", "--kind", "task"], {"no-email"}),
        (["--outcome", "rejected"], set()),
        (["--run", "none"], set()),
    ],
)
def test_lines_are_asked_for(
    world: World, tmp_path: Path, options: list[str], fits: set[str]
) -> None:
    """By record, rule, run, connection, kind, time and outcome; as a document and as a file."""
    written(world)
    shown = json.loads(typed(world, tmp_path, "--json", *options).output)
    exported = typed(world, tmp_path, "export", *options).output.splitlines()

    assert {line["rule"] for line in shown} == fits
    assert [json.loads(line) for line in exported] == shown[::-1]


def test_the_journal_is_shown(world: World, tmp_path: Path) -> None:
    """With values while they are kept, with the names of the fields afterwards."""
    written(world)
    before = typed(world, tmp_path, "--limit", "50").output
    forget(world, days=91)
    after = typed(world, tmp_path, "--limit", "50").output

    assert "JEANNE" in before
    assert "JEANNE" not in after
    assert "(purged)" in after


def test_verify_ends_with_a_code_of_its_own(world: World, tmp_path: Path) -> None:
    """0 when all fits, 11 when not; both say which, in words and as a document."""
    written(world)
    sound = typed(world, tmp_path, "verify")
    head = json.loads(typed(world, tmp_path, "verify", "--json").output)["head"]
    assert (sound.exit_code, head in sound.output) == (0, True)
    assert typed(world, tmp_path, "verify", "--head", "abc").exit_code == 11

    unguard(world)
    execute(world, "DELETE FROM journal WHERE seq = 2")
    broken = typed(world, tmp_path, "verify", "--json")
    assert broken.exit_code == 11
    assert json.loads(broken.output)["fault"]["seq"] == 3
    assert "Line 3" in typed(world, tmp_path, "verify").output


def test_no_cell_of_the_csv_is_a_formula(world: World, tmp_path: Path) -> None:
    """What a person typed into a CRM stays text, and can be read back; without values it is gone."""
    world.crm.add("=1+1", first_name="JEANNE")
    world.run()
    path = tmp_path / "journal.csv"
    assert typed(world, tmp_path, "export", "--format", "csv", "--output", str(path)).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))

    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())
    assert rearm(rows[0]["id"]) == "=1+1"
    assert "JEANNE" in rows[0]["change"]
    bare = typed(world, tmp_path, "export", "--without-values").output
    assert "JEANNE" not in bare
    assert "first_name" in bare


def test_evidence_and_purge_are_typed(world: World, tmp_path: Path) -> None:
    """Evidence is listed with its address; purging says what went."""
    written(world)
    listed = typed(world, tmp_path, "evidence", "--record", "crm:2").output
    assert "no@example.org" in listed
    assert "approved by tester" in listed
    assert json.loads(typed(world, tmp_path, "evidence", "--json").output)[0]["ref"] == "crm:2"
    counted = json.loads(typed(world, tmp_path, "purge", "--json").output)
    assert counted.keys() == {"lines", "plans", "mails", "evidence"}


def test_redirects_outlive_the_values(world: World) -> None:
    """Where our own merges led is still told when the values of the merge are purged."""
    world.rules(MERGE)
    for name in ("1", "2"):
        world.crm.add(record(name))
    world.run("all")
    before = [(one.old, one.survivor) for one in redirects(world.database)]
    assert before
    forget(world, days=91)

    assert [(one.old, one.survivor) for one in redirects(world.database)] == before
