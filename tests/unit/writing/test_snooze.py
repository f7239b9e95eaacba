"""Snoozed findings: nothing is proposed for them, nothing approved of them is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tests.unit.writing.conftest import NAMES, PHONES, WIDE, World, sights

from crm_steward.connect.protocol import Capability, Cursor, Page
from crm_steward.model import Ability, Contact, Finding, Phone, RecordRef, Severity
from crm_steward.rules import RuleBook, load_rules
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.mirror import Mirror
from crm_steward.store.plans import Plans, PlanStatus
from crm_steward.store.snoozes import Snooze, Snoozes, asleep
from crm_steward.writing import Why, explain, make_plan

PARIS = ZoneInfo("Europe/Paris")
DAY = timedelta(days=1)


def snooze(world: World, record: str, days: int = 7) -> None:
    """Snooze what stands about a record, until a day begins in Paris."""
    day = (world.clock() + days * DAY).astimezone(PARIS).date()
    until = datetime.combine(day, datetime.min.time(), tzinfo=PARIS)
    Snoozes(world.database).snooze(
        Snooze(
            fingerprint=stored.finding.fingerprint,
            rule=stored.finding.rule,
            until=until,
            reason="{merger} under way",
            by="dana",
            at=world.clock(),
        )
        for stored in Findings(world.database).open()
        if stored.finding.refs[0].id == record
    )


def test_nothing_is_proposed_until_the_day_comes(any_world: World) -> None:
    """Withheld with date and reason, in the reader's time zone; proposed when the day begins."""
    for name in ("1", "2"):
        any_world.crm.add(name, first_name="JEANNE")
    any_world.look()
    snooze(any_world, "1")

    result = any_world.plan(zone=PARIS)
    assert [planned.change.ref.id for planned in result.plan.changes] == ["2"]
    (left,) = result.withheld
    assert (left.why, left.ref.id) == (Why.SNOOZED, "1")
    assert left.detail == "2026-11-23: {merger} under way"
    assert explain(left.why, left.detail, "en") == f"snoozed until {left.detail}"
    assert explain(left.why, left.detail, "fr") == f"en sommeil jusqu'au {left.detail}"

    any_world.clock.now = datetime(2026, 11, 22, 23, tzinfo=UTC)
    awake = any_world.plan(zone=PARIS)
    assert sorted(planned.change.ref.id for planned in awake.plan.changes) == ["1", "2"]


def test_a_snoozed_finding_contests_nothing(world: World) -> None:
    """Two rules want different values: snoozing the finding of one lets the other have its way."""
    world.rules(NAMES, NAMES.replace("id: name-case", "id: again"))
    world.crm.add("1", first_name="JEANNE")
    world.look()
    assert world.withheld(world.plan()) == ["asked for twice"]
    first = next(Findings(world.database).open("name-case"))
    Snoozes(world.database).snooze(
        [
            Snooze(
                fingerprint=first.finding.fingerprint,
                rule="name-case",
                until=world.clock() + DAY,
                reason="why",
                by="dana",
                at=world.clock(),
            )
        ]
    )

    result = world.plan()
    assert [planned.rule for planned in result.plan.changes] == ["again"]
    assert world.withheld(result) == ["snoozed"]
    assert world.withheld(world.plan(rules=["again"])) == []


def test_what_was_approved_and_then_snoozed_is_left_out(any_world: World) -> None:
    """Apply leaves it out and counts it; awake, the same plan writes it, approved as it was."""
    any_world.rules(NAMES, PHONES)
    any_world.crm.add("1", first_name="JEANNE")
    any_world.crm.add("2", first_name="ANNE")
    any_world.crm.add("3", phones=(Phone("01 23 45 67 89"),), country="FR")
    any_world.look()
    plan = any_world.plan().plan
    assert len(plan.changes) == 3
    snooze(any_world, "1")
    snooze(any_world, "3")

    counts = any_world.apply(plan, "all")
    assert (counts.snoozed, counts.to_json()["snoozed"], counts.waiting) == (2, 2, 0)
    assert any_world.crm.records["1"].first_name == "JEANNE"
    assert any_world.crm.records["2"].first_name == "Anne"
    assert {line.ref.id for line in any_world.journal()} == {"2"}
    stored = Plans(any_world.database).get(plan.hash)
    assert stored is not None
    assert stored.status is PlanStatus.APPLYING

    Snoozes(any_world.database).wake(list(Snoozes(any_world.database).all()))
    assert any_world.apply(plan).snoozed == 0
    assert any_world.crm.records["1"].first_name == "Jeanne"
    assert any_world.crm.records["3"].value("phone") == "+33123456789"


def test_what_was_written_can_be_undone_while_snoozed(world: World) -> None:
    """A snooze says that nothing is done about the finding, not that it cannot be taken back."""
    world.crm.add("1", first_name="JEANNE")
    world.look()
    mark = next(Findings(world.database).open()).finding.fingerprint
    counts = world.apply(world.plan().plan)
    Snoozes(world.database).snooze(
        [
            Snooze(
                fingerprint=mark,
                rule="name-case",
                until=world.clock() + DAY,
                reason="why",
                by="dana",
                at=world.clock(),
            )
        ]
    )

    world.undo(counts.run)
    assert world.crm.records["1"].first_name == "JEANNE"


class Sleep(RuleBasedStateMachine):
    """Snooze, wake, scan and time in any order."""

    book: RuleBook
    ids = ("1", "2", "3")

    def __init__(self) -> None:
        super().__init__()
        self.database = Database.open("sqlite://")
        self.now = datetime(2026, 11, 16, 8, tzinfo=UTC)
        self.open: set[str] = set()
        self.until: dict[str, datetime] = {}
        people = [Contact(ref=RecordRef("crm", one), first_name="ANNE") for one in self.ids]
        page = Page(cursor=Cursor("1"), contacts=tuple(people), complete=True)
        Mirror(self.database).save_page("crm", "fake", page, now=self.now, full=True)

    def finding(self, number: str) -> Finding:
        return Finding(
            rule="name-case",
            kind="format",
            severity=Severity.LOW,
            refs=(RecordRef("crm", number),),
            about="first_name",
            evidence={"field": "first_name", "now": "ANNE", "proposed": "Anne"},
        )

    @rule(found=st.sets(st.sampled_from(ids)))
    def scan(self, found: set[str]) -> None:
        """Findings are new, standing, resolved and reopened."""
        findings = [self.finding(one) for one in sorted(found)]
        Findings(self.database).record(
            {"name-case": {"crm"}}, findings, now=self.now, digests=sights(self.book)
        )
        self.open = found

    @rule(number=st.sampled_from(ids), hours=st.sampled_from([1, 24, 100]))
    def snooze(self, number: str, hours: int) -> None:
        """Whether it stands or not."""
        self.until[number] = self.now + timedelta(hours=hours)
        self._say(number, self.until[number])

    def _say(self, number: str, until: datetime) -> None:
        one = Snooze(
            fingerprint=self.finding(number).fingerprint,
            rule="name-case",
            until=until,
            reason="why",
            by="dana",
            at=self.now,
        )
        Snoozes(self.database).snooze([one])

    @rule(number=st.sampled_from(ids))
    def wake(self, number: str) -> None:
        """Whether it sleeps or not."""
        there = Snoozes(self.database).wake([self.finding(number).fingerprint])
        assert bool(there) == (self.until.pop(number, None) is not None)

    @rule(hours=st.sampled_from([1, 23, 24, 75]))
    def time_passes(self, hours: int) -> None:
        """Snoozes end by themselves."""
        self.now += timedelta(hours=hours)

    @invariant()
    def a_finding_is_acted_upon_if_open_and_awake(self) -> None:
        """The plan, the list and the list of the snoozed agree with the model."""
        asleep_ = {one for one, until in self.until.items() if until > self.now}
        result = make_plan(
            self.database,
            self.book,
            limits=WIDE,
            abilities={"crm": Ability(fields=None, can=frozenset(Capability))},
            clock=lambda: self.now,
            save=False,
        )
        planned = {one.change.ref.id for one in result.plan.changes}
        withheld = {one.ref.id for one in result.withheld if one.why is Why.SNOOZED}
        assert (planned, withheld) == (self.open - asleep_, self.open & asleep_)
        for only, expected in ((asleep(self.now), withheld), (~asleep(self.now), planned)):
            listed = Findings(self.database).open(only=only)
            assert {one.finding.refs[0].id for one in listed} == expected

    def teardown(self) -> None:
        self.database.close()


def test_acted_upon_if_and_only_if_open_and_awake(world: World) -> None:
    """Through resolution, reopening, repeated snoozes and the passing of time."""
    path = world.folder / "sleep.yaml"
    path.write_text(f"version: 1\nrules:{NAMES}", encoding="utf-8")
    Sleep.book = load_rules([path])
    run_state_machine_as_test(
        Sleep, settings=settings(max_examples=15, stateful_step_count=20, deadline=None)
    )
