"""Apply: what is written, what is not, and what the journal says about it."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.writing.conftest import TASKS, World

from crm_steward.model import (
    AuthError,
    LimitExceededError,
    RetryableError,
    StoreError,
)
from crm_steward.pull import pull
from crm_steward.scan import scan
from crm_steward.store.journal import State
from crm_steward.store.mirror import Mirror
from crm_steward.store.plans import Plans, PlanStatus
from crm_steward.store.tables import plans
from crm_steward.testing import FakeCrm, Fault
from crm_steward.writing import Target, Targets, settle


def test_what_the_rules_propose_reaches_the_crm(any_world: World) -> None:
    """A name in capitals is read, found, planned, written; the journal holds intent and outcome."""
    any_world.crm.add("1", first_name="JEANNE", last_name="Martin")

    counts = any_world.run()

    assert any_world.crm.records["1"].first_name == "Jeanne"
    assert counts.states == {State.VERIFIED: 1}
    assert any_world.states() == [State.INTENT, State.VERIFIED]


def test_a_second_apply_writes_nothing(any_world: World) -> None:
    """The same plan again is refused; a new plan right after, before any pull, is empty."""
    any_world.crm.add("1", first_name="JEANNE", last_name="Martin")
    any_world.look()
    plan = any_world.plan().plan
    any_world.apply(plan)

    with pytest.raises(LimitExceededError, match="applied already"):
        any_world.apply(plan)
    again = any_world.plan()

    assert again.plan.changes == ()
    assert any_world.withheld(again) == ["done"]
    assert any_world.crm.effects.total() == 1


def test_nothing_happens_without_approval(world: World) -> None:
    """Changes of a rule in mode propose wait; approved ones are written, and only those."""
    world.rules("""
  - id: phone
    about: Phones
    where: {field: country, equals: FR}
    check: {kind: format, fields: [phone], only: fixable}
    actions: [update: {normalise: true}]
    mode: propose
""")
    world.crm.add("1", phone="01 42 68 53 00", country="FR")
    world.crm.add("2", phone="01 42 68 53 01", country="FR")
    world.look()
    plan = world.plan().plan

    first = world.apply(plan)
    second = world.apply(plan, plan.changes[0].key[:12])

    assert (first.waiting, first.states.total()) == (2, 0)
    assert (second.waiting, second.states) == (1, {State.VERIFIED: 1})
    assert world.crm.written == [plan.changes[0].change]
    stored = Plans(world.database).get(plan.hash)
    assert stored.status is PlanStatus.APPLYING
    assert world.apply(plan, "phone").states == {State.VERIFIED: 1}


def test_a_human_edit_is_not_overwritten(world: World) -> None:
    """A record edited between plan and apply is left alone; the rest of the plan is written."""
    world.crm.add("1", first_name="JEANNE")
    world.crm.add("2", first_name="PIERRE")
    world.look()
    plan = world.plan().plan
    world.crm.edit("1", first_name="Jeannette")

    counts = world.apply(plan)

    assert world.crm.records["1"].first_name == "Jeannette"
    assert world.crm.records["2"].first_name == "Pierre"
    assert counts.states == {State.CONFLICT: 1, State.VERIFIED: 1}
    (line,) = world.journal(state=State.CONFLICT)
    assert line.reason == "changed meanwhile: first_name"


def test_a_person_who_was_faster_counts_as_theirs(world: World) -> None:
    """When somebody already wrote what we propose, nothing is sent and undo leaves it alone."""
    world.crm.add("1", first_name="JEANNE")
    world.look()
    plan = world.plan().plan
    world.crm.edit("1", first_name="Jeanne")

    world.apply(plan)
    world.undo("name-case")

    assert world.crm.records["1"].first_name == "Jeanne"
    assert world.crm.effects.total() == 0


@pytest.mark.parametrize("survivor", [None, "2"])
def test_a_record_that_is_gone_or_merged_is_left_alone(world: World, survivor: str | None) -> None:
    """A change planned for a record does not land on the one it was merged into."""
    world.crm.add("1", first_name="JEANNE")
    world.crm.add("2", first_name="Jeanne")
    world.look()
    plan = world.plan().plan
    world.crm.remove("1", survivor=survivor)

    counts = world.apply(plan)

    assert counts.states == {State.CONFLICT: 1}
    assert world.crm.written == []


def test_changes_of_one_record_travel_in_one_write(world: World) -> None:
    """First name and last name are two findings, one call, and two lines each in the journal."""
    world.crm.add("1", first_name="JEANNE", last_name="MARTIN")

    world.run()

    assert len(world.crm.written) == 1
    assert world.crm.records["1"].last_name == "Martin"
    assert world.states() == [State.INTENT] * 2 + [State.VERIFIED] * 2


def test_a_refused_change_travels_alone_the_next_time(world: World) -> None:
    """One bad field of a record cannot spoil the good one for ever; the bad one is set aside."""
    world.crm.add("1", first_name="JEANNE", last_name="MARTIN")
    world.crm.refuses = lambda c: "bad" if "first_name" in c.values else ""

    for _ in range(7):
        world.run()
        world.clock.forward(days=1)

    assert world.crm.records["1"].last_name == "Martin"
    assert len(world.journal(state=State.REJECTED)) == 1 + 5
    assert world.withheld(world.plan()) == ["set aside"]


def test_a_lost_answer_is_settled_by_asking(any_world: World) -> None:
    """A task whose answer was lost is found in the CRM afterwards, and never made again."""
    any_world.rules("""
  - id: no-email
    about: No e-mail
    check: {kind: required, fields: [email]}
    actions: [task: {title: "Ask {full_name}"}]
    mode: apply
""")
    any_world.crm.add("1", first_name="Jeanne")
    any_world.crm.fail(Fault.LOST_ANSWER)

    counts = any_world.run()
    any_world.run()

    assert len(any_world.crm.tasks) == 1
    assert any_world.states() == [State.INTENT, State.UNKNOWN, State.VERIFIED]
    assert any_world.journal()[-1].remote_id == "task-1"
    assert isinstance(counts.failures["crm"], RetryableError)


class Waits(threading.Event):
    """A stop event that moves the clock instead of sleeping."""

    def __init__(self, clock: Any) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass."""
        self._clock.forward(seconds=timeout or 0)
        return self.is_set()


def test_patience_lasts_until_the_last_answer_is_due(world: World, clock: Any) -> None:
    """Two answers lost half a minute apart are settled in one run that may wait for both."""
    world.rules("""
  - id: no-email
    about: No e-mail
    check: {kind: required, fields: [email]}
    actions: [task: {title: "Ask {full_name}"}]
    mode: apply
""")
    world.settle_after = timedelta(minutes=2)
    for name in ("1", "2"):
        world.crm.add(name, first_name="Jeanne")
        world.crm.fail(Fault.LOST_ANSWER)
        world.run()
        clock.forward(seconds=30)

    counts = settle(
        world.database,
        world.targets(),
        clock=clock,
        stop=Waits(clock),
        patience=timedelta(minutes=5),
    )

    assert (counts.settled, counts.unsettled) == ({State.VERIFIED: 2}, 0)
    assert len(world.crm.tasks) == 2


def test_settling_waits_until_the_crm_shows_it(world: World, clock: Any) -> None:
    """A search that comes before the lag is over finds nothing; so it is not made before."""
    world.rules("""
  - id: no-email
    about: No e-mail
    check: {kind: required, fields: [email]}
    actions: [task: {title: "Ask {full_name}"}]
    mode: apply
""")
    world.crm.lag = world.settle_after = clock.now - clock.now.replace(hour=7, minute=58)
    world.crm.add("1", first_name="Jeanne")
    world.crm.fail(Fault.LOST_ANSWER)

    early = world.run()
    clock.forward(seconds=60)
    still = world.run()
    clock.forward(seconds=61)
    late = world.run()

    assert (early.unsettled, still.unsettled, late.unsettled) == (1, 1, 0)
    assert still.wait == 59
    assert late.settled == {State.VERIFIED: 1}
    assert len(world.crm.tasks) == 1


@pytest.mark.parametrize("fault", [Fault.NOT_SENT, Fault.SILENT_NOOP])
def test_what_never_landed_is_tried_again_later(world: World, fault: Fault) -> None:
    """A request that never left, and an answer that claims success without a row, are no success."""
    world.crm.add("1", first_name="JEANNE")
    world.crm.fail(fault)

    assert world.run().states[State.VERIFIED] == 0
    for _ in range(2):
        world.run()

    assert world.states() == [
        *(State.INTENT, State.UNKNOWN, State.ABSENT),
        *(State.INTENT, State.VERIFIED),
    ]
    assert world.crm.effects.total() == 1
    assert world.crm.records["1"].first_name == "Jeanne"


def test_a_batch_answered_in_part_is_taken_row_by_row(world: World) -> None:
    """Rows that answer are verified, the refused one is named, the missing one is settled."""
    for number in range(5):
        world.crm.add(str(number), first_name="JEANNE")
    world.crm.fail(None, Fault.REJECTED, None, Fault.MISSING_ROW, None)

    counts = world.run()

    assert counts.states == {State.VERIFIED: 4, State.REJECTED: 1, State.UNKNOWN: 0}
    assert [c.first_name for c in world.crm.records.values()].count("Jeanne") == 4


def test_one_connection_failing_leaves_the_others(world: World) -> None:
    """A refused credential pauses its own connection; the other is written."""
    other = FakeCrm("other", clock=world.clock)
    world.capabilities["other"] = world.capabilities["crm"]
    world.crm.add("1", first_name="JEANNE")
    other.add("1", first_name="PIERRE")
    world.look()
    pull(world.database, "other", "fake", other, clock=world.clock)
    scan(world.database, world.book, clock=world.clock)

    def opening(name: str) -> Target:
        if name == "crm":
            raise AuthError("The token is refused.")
        return Target(connector=other)

    counts = world.apply(world.plan().plan, targets=Targets(opening))

    assert isinstance(counts.failures["crm"], AuthError)
    assert other.records["1"].first_name == "Pierre"
    assert counts.left == 1


def test_without_a_durable_intent_nothing_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the journal cannot be written, the CRM is not called."""
    world.crm.add("1", first_name="JEANNE")
    world.look()
    plan = world.plan().plan

    def full(*_: object) -> None:
        raise StoreError("Database: disk is full.")

    monkeypatch.setattr("crm_steward.store.journal.Journal.append", full)
    with pytest.raises(StoreError):
        world.apply(plan)

    assert (world.crm.calls["get"], world.crm.calls["apply"]) == (0, 0)


def test_a_slow_crm_is_compared_again_in_smaller_batches(world: World, clock: Any) -> None:
    """What was read more than five seconds ago is not written over: the batch goes in halves."""
    for number in range(4):
        world.crm.add(str(number), first_name="JEANNE")
    world.look()
    plan = world.plan().plan
    ages: list[float] = []
    read_at = clock.now

    def step(name: str) -> None:
        nonlocal read_at
        if name == "get":
            read_at = clock.now
            clock.forward(seconds=12 / 2 ** (world.crm.calls["get"] - 1))
        if name == "apply":
            ages.append((clock.now - read_at).total_seconds())

    world.crm.on_call = step
    counts = world.apply(plan)

    assert counts.states == {State.VERIFIED: 4}
    assert max(ages) <= 5


def test_a_crm_that_is_always_too_slow_is_not_written(world: World, clock: Any) -> None:
    """Nothing is sent blindly; the change waits for a better day."""
    world.crm.add("1", first_name="JEANNE")
    world.look()
    plan = world.plan().plan
    world.crm.on_call = lambda name: clock.forward(seconds=6) if name == "get" else None

    counts = world.apply(plan)

    assert counts.states == {State.ABSENT: 1}
    assert world.crm.calls["apply"] == 0


def test_stopping_ends_after_the_batch(world: World) -> None:
    """When asked to stop, the batch under way is finished and the rest is left for the next run."""
    world.batch = 2
    for number in range(6):
        world.crm.add(str(number), first_name="JEANNE")
    world.look()
    plan = world.plan().plan
    world.crm.on_call = lambda name: world.stop.set() if name == "apply" else None

    counts = world.apply(plan)
    assert (counts.states, counts.left) == ({State.VERIFIED: 2}, 4)

    world.stop.clear()
    world.crm.on_call = lambda _name: None
    assert world.apply(plan).states == {State.VERIFIED: 4}
    assert world.crm.effects.total() == 6


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("expire", "expired"),
        ("supersede", "replaced by a newer"),
        ("rules", "rules changed"),
        ("past", "made in the future"),
        ("alter", "was altered"),
    ],
)
def test_an_unfit_plan_is_refused(world: World, clock: Any, spoil: str, message: str) -> None:
    """A plan runs once, as it was made, while it is fresh; otherwise nothing is sent."""
    world.crm.add("1", first_name="JEANNE")
    world.look()
    plan = world.plan().plan
    if spoil == "expire":
        clock.forward(hours=72)
    if spoil == "past":
        clock.forward(hours=-1)
    if spoil == "supersede":
        clock.forward(seconds=1)
        world.plan()
    if spoil == "rules":
        world.rules("""
  - id: name-case
    about: Names
    check: {kind: format, fields: [first_name], only: fixable}
    actions: [update: {normalise: true}]
    mode: apply
""")
    if spoil == "alter":
        content = plan.to_json()
        content["changes"][0]["change"]["values"]["first_name"] = "Mallory"
        with world.database.write() as writing:
            writing.execute(plans.update().values(content=content))

    with pytest.raises(LimitExceededError, match=message):
        world.apply(plan)
    assert world.crm.calls["apply"] == 0


def test_limits_are_checked_again_before_the_first_write(world: World) -> None:
    """A limit lowered since the plan was made stops all of it, not just the excess."""
    for number in range(5):
        world.crm.add(str(number), first_name="JEANNE")
    world.look()
    plan = world.plan().plan
    lower = world.limits.model_copy(update={"max_changes_per_run": 4})

    with pytest.raises(LimitExceededError, match="5 changes to crm"):
        world.apply(plan, limits=lower)

    assert world.crm.calls["apply"] == 0


def test_a_frozen_connection_is_not_written(world: World) -> None:
    """A source that shrank between plan and apply is left alone."""
    world.crm.add("1", first_name="JEANNE")
    world.look()
    plan = world.plan().plan
    Mirror(world.database).note("crm", "fake", frozen_reason="lost half its contacts")

    counts = world.apply(plan)

    assert counts.held == {"crm": "lost half its contacts"}
    assert world.crm.calls["apply"] == 0
    assert world.withheld(world.plan()) == ["frozen"]


def test_a_bug_in_a_connector_is_not_swallowed(world: World) -> None:
    """An unexpected exception ends the run after the journal says what is not known."""
    world.crm.add("1", first_name="JEANNE")
    world.look()
    plan = world.plan().plan

    def bug(name: str) -> None:
        if name == "after effect":
            raise ZeroDivisionError

    world.crm.on_call = bug
    with pytest.raises(ZeroDivisionError):
        world.apply(plan)

    assert world.states() == [State.INTENT, State.UNKNOWN]
    world.crm.on_call = lambda _name: None
    world.run()
    assert world.states()[-1] is State.VERIFIED
    assert world.crm.effects.total() == 1


def test_what_was_approved_and_then_resolved_is_left_out(any_world: World) -> None:
    """Somebody put the record right between the plan and its approval: no task is made for it."""
    any_world.rules(TASKS)
    any_world.crm.add("1")
    any_world.crm.add("2")
    any_world.look()
    plan = any_world.plan().plan
    any_world.clock.forward(minutes=10)
    any_world.crm.edit("1", email="jeanne@example.org")
    any_world.look()
    counts = any_world.apply(plan, "all")

    assert (counts.resolved, counts.to_json()["resolved"], counts.states[State.VERIFIED]) == (
        1,
        1,
        1,
    )
    assert [task.change.ref.id for task in any_world.crm.tasks] == ["2"]
    stored = Plans(any_world.database).get(plan.hash)
    assert stored is not None
    assert stored.status is PlanStatus.APPLIED
