"""Erasing a person: nothing of them is left anywhere, and they are known again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result
from tests.unit.writing.conftest import NAMES, TASKS, World
from tests.unit.writing.test_journal import SILENCE
from typer.testing import CliRunner

from crm_steward.cli.app import app
from crm_steward.model import BusyError, Consent, ConsentStatus, Email, Halt, Phone, PhoneKind
from crm_steward.model.consent import Channel
from crm_steward.model.contact import Contact, RecordRef
from crm_steward.pull import pull
from crm_steward.scan import scan
from crm_steward.store.access import held
from crm_steward.store.columns import Json, UtcTime
from crm_steward.store.decisions import Decision, Decisions, Verdict
from crm_steward.store.erased import Erased
from crm_steward.store.erasing import UNTOUCHED, erase, look
from crm_steward.store.evidence import evidence
from crm_steward.store.findings import Findings
from crm_steward.store.halts import Halts
from crm_steward.store.journal import State
from crm_steward.store.lease import hold
from crm_steward.store.outbox import Outbox
from crm_steward.store.people import People
from crm_steward.store.plans import Plans
from crm_steward.store.subject import Sought
from crm_steward.store.tables import approvals, contacts, metadata
from crm_steward.store.tombstones import Tombstones
from crm_steward.store.vault import TokenKey
from crm_steward.store.verifying import verify
from crm_steward.testing import Fault
from crm_steward.writing import approve

MARK = "zq7marker"
ADDRESS = f"{MARK}@example.org"
NUMBER = "+33199001234"
KEY = "k" * 32


def stones(world: World, key: str = KEY) -> Tombstones:
    """Give tombstones under a key."""
    return Tombstones(world.database, TokenKey(key, Path("nowhere")))


def who(address: str = ADDRESS, *refs: str) -> Sought:
    """Name a person."""
    emails = frozenset({address}) if address else frozenset()
    return Sought(emails=emails, refs=frozenset(map(RecordRef.parse, refs)))


def erased(world: World, sought: Sought | None = None, **options: Any) -> Erased:
    """Erase."""
    with hold(world.database, clock=world.clock) as lease:
        return erase(
            world.database,
            sought or who(),
            stones(world),
            run="erase-1",
            now=world.clock(),
            lease=lease,
            **options,
        )


def person(record: str, address: str = ADDRESS, **values: Any) -> Contact:
    """Return a record of the person."""
    return Contact(ref=RecordRef("crm", record), emails=(Email(address),), **values)


def read(world: World, key: str = KEY) -> Any:
    """Pull everything."""
    return pull(
        world.database,
        "crm",
        "fake",
        world.crm,
        clock=world.clock,
        full=True,
        stones=stones(world, key),
    )


def everything(world: World) -> str:
    """Return all that the database holds: on SQLite the bytes of the file, else every column."""
    if world.database.path is not None:
        return world.database.path.read_bytes().decode("latin-1").lower()
    texts: list[str] = []
    with world.database.read() as reading:
        for table in metadata.sorted_tables:
            rows = reading.execute(sa.text(f"SELECT to_jsonb(t)::text FROM {table.name} t"))
            texts += rows.scalars()
    return "\n".join(texts).lower()


def value_for(column: sa.Column[Any], world: World) -> Any:
    """Return something to plant in a column: a text names the person."""
    if isinstance(column.type, Json):
        return {"said": f"about {ADDRESS}, twice: {ADDRESS.upper()}"}
    if isinstance(column.type, UtcTime):
        return world.clock()
    if isinstance(column.type, sa.Text):
        return f"about {ADDRESS}"
    if isinstance(column.type, sa.LargeBinary):
        return f"about {ADDRESS}".encode()
    return 0


BY_HAND = {
    *("contacts", "journal", "plans", "approvals", "consent_evidence", "outbox"),
    *("findings", "finding_refs", "regrouped", "people", "decisions"),
}
"""Tables whose rows are made as the program makes them, or hang together."""


def plant_everywhere(world: World) -> None:
    """Name the person in every text column of every table that may hold something of anybody."""
    mine = {"connection": "crm", "id": f"{MARK}-1"}
    with world.database.write() as writing:
        for table in metadata.sorted_tables:
            if table.name in BY_HAND or table.name in UNTOUCHED:
                continue
            row = {column.name: value_for(column, world) for column in table.columns}
            record = {"connection", "id"} <= row.keys()
            writing.execute(sa.insert(table), {**row, **(mine if record else {})})
        keys = {"connection", "id", "email_keys", "phone_keys", "survivor", "emails", "phones"}
        texts = [c for c in contacts.columns if isinstance(c.type, sa.Text) and c.name not in keys]
        here = sa.update(contacts).where(contacts.c.id == mine["id"])
        writing.execute(here.values({c.name: value_for(c, world) for c in texts}))
        for name in ("evidence", "about"):
            table = metadata.tables["findings"]
            writing.execute(sa.update(table).values({name: value_for(table.c[name], world)}))
        findings = writing.execute(sa.select(metadata.tables["findings"].c.fingerprint)).scalars()
        row = {"fingerprint": findings.first(), "members": f"about {ADDRESS}"}
        writing.execute(sa.insert(metadata.tables["regrouped"]), row)
        writing.execute(sa.update(approvals).values(note=f"about {ADDRESS}"))


def lived(world: World) -> None:
    """Let a person be read, found, written to, planned for, decided about and reported."""
    world.rules(NAMES, TASKS, SILENCE)
    record = f"{MARK}-1"
    world.crm.add(
        person(
            record,
            first_name="ZQ7MARKER",
            last_name="Zq7marker",
            phones=(Phone(NUMBER, PhoneKind.WORK),),
            consents=(
                Consent(channel=Channel.EMAIL, status=ConsentStatus.GRANTED, address=ADDRESS),
            ),
            company=f"{MARK} Ltd",
        )
    )
    world.crm.add("other", first_name="PAULA")
    world.run("all")
    world.crm.edit(record, first_name="ZQ7MARKER-BIS")
    world.look()
    stored = Plans(world.database).get(world.plan().plan.hash)
    assert stored is not None
    approve(world.database, stored, "all", by="tester", clock=world.clock)
    refs = (RecordRef("crm", "other"), RecordRef("crm", record))
    decision = Decision(
        left=refs[0],
        right=refs[1],
        verdict=Verdict.DIFFERENT,
        lasting=True,
        reason=f"{MARK} said so",
        by="tester",
        at=world.clock(),
    )
    Decisions(world.database).decide([decision])
    group = [("crm", record), ("crm", f"{MARK}-2")]
    world.crm.add(person(f"{MARK}-2", "second@zq7marker.example", last_name="Zq7marker"))
    world.look()
    with world.database.write() as writing:
        People(world.database).save([group], writing, now=world.clock())
    mail = EmailMessage()
    mail["Subject"] = "Week 47"
    mail.set_content(f"Zq7marker, hidden by base64 in {record}: crm:{record}", cte="base64")
    for recipient in ("a@example.net", "b@example.net"):
        Outbox(world.database).add(
            id=recipient,
            period="2026-W47",
            recipient=recipient,
            subject="Week 47",
            message=mail.as_string(),
            now=world.clock(),
        )


def test_nothing_of_the_person_is_left(any_world: World) -> None:
    """Named in every text column of every table, and then in none; whoever adds a column is told."""
    lived(any_world)
    plant_everywhere(any_world)
    assert MARK in everything(any_world)
    planted = BY_HAND | {t.name for t in metadata.sorted_tables if t.name not in UNTOUCHED}
    for table in metadata.sorted_tables:
        with any_world.database.read() as reading:
            rows = reading.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        assert rows or table.name not in planted, f"say how erasing reaches {table.name}"

    done = erased(any_world)

    assert {str(ref) for ref in done.refs} == {f"crm:{MARK}-1", f"crm:{MARK}-2"}
    left = everything(any_world)
    at = left.find(MARK)
    assert at < 0, left[max(0, at - 80) : at + 80]
    assert NUMBER not in left
    assert verify(any_world.database).sound
    assert any(ref.id == "other" for ref in _mirrored(any_world))


def _mirrored(world: World) -> list[RecordRef]:
    with world.database.read() as reading:
        rows = reading.execute(sa.select(contacts.c.connection, contacts.c.id)).all()
    return [RecordRef(*row) for row in rows]


def test_reports_that_name_the_person_lose_their_text(any_world: World) -> None:
    """Whatever the encoding: one that was sent stays known as sent, one that waits is written anew."""
    lived(any_world)
    letters = Outbox(any_world.database)
    claimed = letters.claim("a@example.net", any_world.clock())
    assert claimed is not None
    letters.sent(claimed, any_world.clock())
    plain = EmailMessage()
    plain.set_content("Nobody is named here.")
    letters.add(
        id="c@example.net",
        period="2026-W47",
        recipient="c@example.net",
        subject="Week 47",
        message=plain.as_string(),
        now=any_world.clock(),
    )
    erased(any_world)

    left = {one.id: (one.status.value, bool(one.message)) for one in letters.letters()}
    assert left == {"a@example.net": ("sent", False), "c@example.net": ("queued", True)}


def test_a_dry_run_changes_nothing_and_says_the_same(any_world: World) -> None:
    """What would go is what then goes."""
    lived(any_world)
    before = (any_world.journal(), _mirrored(any_world), len(everything(any_world)))
    seen = look(any_world.database, who(), stones(any_world), now=any_world.clock())

    assert (any_world.journal(), _mirrored(any_world), len(everything(any_world))) == before
    done = erased(any_world)
    assert asdict(seen) | {"run": ""} == asdict(done) | {"run": ""}
    assert seen.anything


def test_what_waited_for_the_person_is_withdrawn(any_world: World) -> None:
    """An approved change of theirs is not made any more; what was approved for others is."""
    any_world.crm.add(person("1", first_name="JEANNE"))
    any_world.crm.add("2", first_name="PAULA")
    any_world.look()
    plan = any_world.plan().plan
    stored = Plans(any_world.database).get(plan.hash)
    assert stored is not None
    approve(any_world.database, stored, "all", by="tester", clock=any_world.clock)

    done = erased(any_world)
    after = Plans(any_world.database).latest()
    assert after is not None
    assert (done.withdrawn, done.approved, after.altered) == (1, 1, False)
    assert Plans(any_world.database).get(plan.hash) is None
    any_world.apply(after.plan)
    assert any_world.crm.records["1"].first_name == "JEANNE"
    assert any_world.crm.records["2"].first_name == "Paula"
    assert any_world.journal()[0].ref.id == "2"


def test_the_journal_still_tells_that_something_was_done(any_world: World) -> None:
    """Rule, time, outcome and approval stay together under names that lead nowhere."""
    lived(any_world)
    before = [(line.seq, line.state, line.rule, line.fields) for line in any_world.journal()]
    erased(any_world)
    after = any_world.journal()

    assert [(line.seq, line.state, line.rule, line.fields) for line in after] == before
    mine = [line for line in after if line.ref.id.startswith("erased-")]
    assert mine
    assert {line.change for line in mine} == {None}
    assert verify(any_world.database).sound
    (kept,) = evidence(any_world.database)
    assert (kept["address"], kept["by"], len(kept["address_hash"])) == (None, "tester", 64)
    again = held(any_world.database, who(), stones(any_world))
    assert [one["journal"] for one in again["consent_evidence"]] == [kept["journal"]]
    assert again["erased"]
    assert again["contacts"] == again["journal"] == []


@pytest.mark.parametrize("back", ["same record", "import", "another key"])
def test_who_comes_back_is_noticed(any_world: World, back: str) -> None:
    """By record or by address, from wherever; under a lost key the pull says that it cannot tell."""
    any_world.rules("""
  - id: back
    about: Back
    check: {kind: condition, holds: {field: erased_at, is: set}}
    mode: report
""")
    any_world.crm.add(person("1"))
    any_world.look()
    erased(any_world)
    if back != "same record":
        any_world.crm.remove("1")
        any_world.crm.add(person("7", ADDRESS.upper()))
    any_world.clock.forward(days=1)
    counts = read(any_world, "x" * 32 if back == "another key" else f"{'n' * 32} {KEY}")
    scanned(any_world)

    known = back != "another key"
    assert counts.reappeared == (1 if known else 0)
    assert bool(counts.missing) is not known
    assert found(any_world) == (1 if known else 0)


def scanned(world: World) -> None:
    """Scan without pulling."""
    scan(world.database, world.book, clock=world.clock)


def found(world: World) -> int:
    """Return how many findings stand."""
    return Findings(world.database).count()


def test_an_address_of_others_marks_nobody(any_world: World) -> None:
    """A switchboard that colleagues keep is no sign of the person; their own address is."""
    desk = (Phone(NUMBER, PhoneKind.WORK),)
    any_world.crm.add(person("1", phones=desk))
    any_world.crm.add(person("2", "colleague@example.org", phones=desk))
    any_world.look()
    done = erased(any_world)
    any_world.crm.add(person("3", "new@example.org", phones=desk))
    any_world.crm.remove("1")

    assert done.shared == 1
    assert read(any_world).reappeared == 0


def test_an_answer_that_is_awaited_comes_first(world: World) -> None:
    """Nothing is erased while nobody knows whether a change took effect, unless that is given up."""
    world.crm.add(person("1", first_name="JEANNE"))
    world.look()
    world.settle_after = timedelta(days=1)
    world.crm.fail(Fault.LOST_ANSWER)
    world.apply(world.plan().plan)
    assert world.states()[-1] is State.UNKNOWN

    with pytest.raises(BusyError):
        erased(world)
    assert world.journal()[0].change is not None
    assert erased(world, give_up=True).given_up == 1
    assert world.states()[-1] is State.CONFLICT
    assert verify(world.database).sound


def test_a_mention_in_the_record_of_another_is_named(any_world: World) -> None:
    """It is the CRM's: a person edits it there. Only the record is named."""
    any_world.crm.add(person("1"))
    any_world.crm.add(person("2", "friend@example.org", notes=f"wife: {ADDRESS}"))
    any_world.crm.add(person("3", "x" + ADDRESS))
    any_world.look()

    assert [str(ref) for ref in erased(any_world).mentions] == ["crm:2"]
    assert {ref.id for ref in _mirrored(any_world)} == {"2", "3"}


def test_a_merged_record_is_the_person_too(any_world: World) -> None:
    """Whoever asks by an id of old is found where they live on."""
    any_world.crm.add(person("1"))
    any_world.crm.add(person("2"))
    any_world.look()
    any_world.crm.remove("1", survivor="2")
    any_world.look()

    assert {ref.id for ref in erased(any_world, who("", "crm:1")).refs} == {"1", "2"}
    assert _mirrored(any_world) == []


# -- the command line ---------------------------------------------------------------------------

Typed = Callable[..., Result]


@pytest.fixture
def typed(world: World, tmp_path: Path) -> Typed:
    """Give the command line on a world's database."""
    url = world.database.engine.url.render_as_string(hide_password=False)

    def run(*arguments: str | Path, language: str = "en") -> Result:
        config = tmp_path / "crm-steward.yaml"
        config.write_text(f"database: {url}\nlanguage: {language}\n", "utf-8")
        return CliRunner().invoke(app, [*map(str, arguments), "--config", str(config)])

    return run


@pytest.mark.parametrize("language", ["en", "fr"])
def test_erasing_asks_first(world: World, typed: Typed, language: str) -> None:
    """Without a terminal and without --yes it shows what would go, and nothing goes."""
    lived(world)
    shown = typed("erase", "--email", ADDRESS, language=language)
    assert shown.exit_code == 0
    assert {"en": "Nothing was erased", "fr": "Rien n'a été effacé"}[language] in shown.output
    assert f"crm:{MARK}-1" in shown.output
    assert len(_mirrored(world)) == 3

    done = typed("erase", "--email", ADDRESS, "--yes", language=language)
    assert done.exit_code == 0, done.output
    assert {"en": "Keyed hashes left", "fr": "Empreintes à clé"}[language] in done.output
    assert MARK not in everything(world)
    again = typed("erase", "--email", ADDRESS, "--dry-run", language=language)
    assert {"en": "Nothing is kept", "fr": "Rien n'est conservé"}[language] in again.output


def test_a_mention_elsewhere_ends_with_1(world: World, typed: Typed) -> None:
    """Somebody has to edit that record; the document says which."""
    world.crm.add(person("1"))
    world.crm.add(person("2", "friend@example.org", notes=f"wife: {ADDRESS}"))
    world.look()
    preview = json.loads(typed("erase", "--email", ADDRESS, "--json").output)
    assert (preview["erased"], preview["named_elsewhere"]) == (False, ["crm:2"])

    done = typed("erase", "--email", ADDRESS, "--json", "--yes")
    assert done.exit_code == 1
    assert json.loads(done.output)["erased"] is True


@pytest.mark.parametrize(
    "arguments", [[], ["--email", "no address"], ["--phone", "0612"], ["--record", "norecord"]]
)
def test_nobody_is_meant(typed: Typed, arguments: list[str]) -> None:
    """A wrong command line ends with 2 and does not repeat what was typed: it may be an address."""
    result = typed("erase", *arguments)
    assert result.exit_code == 2
    assert "no address" not in result.output.replace("e-mail address", "")


def test_a_person_is_given_their_data(world: World, typed: Typed, tmp_path: Path) -> None:
    """All records of the person, in every part, as JSON and as a page in two languages."""
    lived(world)
    found = json.loads(typed("subject", "export", "--email", ADDRESS).output)
    assert found["records"] == [f"crm:{MARK}-1", f"crm:{MARK}-2"]
    full = {"contacts", "people", "findings", "decisions", "plans", "journal", "consent_evidence"}
    assert found["halts"] == []
    assert {name for name in full if found[name]} == full
    assert not any(one["id"] == "other" for one in found["contacts"])

    page, other = tmp_path / "page.html", tmp_path / "page.json"
    typed("subject", "export", "--phone", NUMBER, "--html", page, "--output", other, "-l", "fr")
    text = page.read_text("utf-8")
    assert "Données conservées" in text
    assert ADDRESS in text
    assert json.loads(other.read_text("utf-8"))["records"] == found["records"]
    assert page.stat().st_mode & 0o077 == 0


def test_a_pause_that_names_a_person_is_theirs(world: World, typed: Typed, tmp_path: Path) -> None:
    """Its words are given to them, in JSON and on the page; erasing takes the name out, and it stands."""
    lived(world)
    for reason, by in (
        (f"{ADDRESS.upper()} complained", "Dana"),
        ("Import", f"<{ADDRESS}>"),
        (f"about x{ADDRESS}", "Dana"),
    ):
        Halts(world.database).stop(Halt(reason=reason, by=by, at=world.clock()))
    page = tmp_path / "page.html"
    typed("subject", "export", "--email", ADDRESS, "--html", page, "-l", "fr")
    given = json.loads(typed("subject", "export", "--email", ADDRESS).output)["halts"]
    assert [one["seq"] for one in given] == [1, 2]
    assert "Pauses des écritures" in page.read_text("utf-8")

    done = erased(world)

    assert done.rows["halts"] == 2
    first, second, other = Halts(world.database).standing()
    assert (first.reason, second.by) == ("[erased] complained", "<[erased]>")
    assert other.reason == f"about x{ADDRESS}", "another address, which only ends like theirs"


def test_the_page_runs_nothing_of_what_crms_hold(
    world: World, typed: Typed, tmp_path: Path
) -> None:
    """Markup in a field stays text; of an unknown person the page says that nothing is kept."""
    world.crm.add(person("1", company="<script>alert(1)</script>"))
    world.look()
    page = tmp_path / "page.html"
    typed("subject", "export", "--email", ADDRESS, "--html", page)
    assert "<script" not in page.read_text("utf-8")
    typed("subject", "export", "--email", "nobody@example.org", "--html", page)
    assert "Nothing is kept" in page.read_text("utf-8")
