"""What counts by age is not acted on while this machine's clock and the CRM's disagree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from tests.conftest import SetClock
from tests.unit.writing.conftest import NAMES, World

from crm_steward.connect.calls import Calls
from crm_steward.model import (
    ArchiveRecord,
    ClockError,
    CreateTask,
    LimitExceededError,
    UpdateFields,
)
from crm_steward.rules import Rule, load_rules, pack_path
from crm_steward.rules.ages import by_age
from crm_steward.store.clocks import Clocks
from crm_steward.store.journal import State
from crm_steward.writing import ApplyCounts, Target, Targets, Why

OLD = """
  - id: long-silent
    about: Nobody heard of them
    check: {kind: stale, clock: last_person_act, longer_than: 36 months}
    actions: [archive: {}]
    mode: propose
"""
COLD = """
  - id: cold
    about: Cold
    check: {kind: condition, holds: {field: last_person_act, older_than: 36 months}}
    actions:
      - task: {to: owner, title: "Call {full_name}"}
    mode: apply
"""
JUMPS = [
    timedelta(hours=1),
    -timedelta(hours=1),
    timedelta(days=1),
    -timedelta(days=1),
    timedelta(days=3652),
    -timedelta(days=3652),
    timedelta(minutes=6),
]


class Dated:
    """A world whose CRM has a clock of its own, which is right."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.true = SetClock(world.clock.now)
        self.calls = Calls(clock=world.clock)
        world.rules(NAMES, OLD, COLD)
        for number, years in enumerate([4, 4, 1, 1]):
            act = self.true() - timedelta(days=365 * years)
            world.crm.add(str(number), first_name="JEANNE", last_person_act=act)  # type: ignore[arg-type] # a time
        world.crm.on_call = self.answer

    def answer(self, _step: str) -> None:
        """Every answer says what time it is there."""
        self.calls.note_date({"Date": format_datetime(self.true(), usegmt=True)})

    def look(self) -> None:
        """Pull, as the service does it, and scan."""
        self.world.look()
        ahead = self.calls.ahead
        assert ahead is not None
        Clocks(self.world.database).note("crm", ahead)

    def apply(self, plan: Any) -> ApplyCounts:
        """Approve all and apply."""
        target = Target(connector=self.world.crm, ahead=lambda: self.calls.ahead)
        return self.world.apply(plan, "all", targets=Targets({"crm": target}.__getitem__))

    @property
    def by_age(self) -> list[Any]:
        """What was written that rests on the clock."""
        return [c for c in self.world.crm.written if isinstance(c, ArchiveRecord | CreateTask)]


@pytest.fixture
def dated(world: World) -> Dated:
    """Give such a world."""
    return Dated(world)


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_clock_that_jumps_acts_on_nobody_by_age(dated: Dated, jump: timedelta) -> None:
    """Planned before the jump, or after it; names are written all the same."""
    dated.look()
    before = dated.world.plan().plan
    dated.world.clock.now += jump
    if jump > timedelta(0) and jump < timedelta(hours=72):
        counts = dated.apply(before)
        assert isinstance(counts.failures["crm"], ClockError)
        assert counts.states == {State.VERIFIED: 4}
        assert counts.left > 0
    else:  # as it is too old or made in the future, nothing of it is written
        with pytest.raises(LimitExceededError):
            dated.apply(before)
    dated.look()
    result = dated.world.plan()
    due = jump > -timedelta(days=365)  # ten years ago nobody was due
    assert (Why.CLOCK in {one.why for one in result.withheld}) is due
    assert result.plan.aged == ()
    if result.plan.changes:
        dated.apply(result.plan)
    assert dated.by_age == []
    assert {
        change.values.keys() == {"first_name"}
        for change in dated.world.crm.written
        if isinstance(change, UpdateFields)
    } == {True}


@pytest.mark.parametrize("jump", [timedelta(days=3652), timedelta(days=1)], ids=str)
def test_no_plan_lives_for_ever(dated: Dated, jump: timedelta) -> None:
    """One that was made while the clock was ahead is refused when it is right again."""
    dated.world.clock.now += jump
    dated.look()
    plan = dated.world.plan().plan
    assert plan.changes
    dated.world.clock.now -= jump
    with pytest.raises(LimitExceededError, match="made in the future"):
        dated.apply(plan)


def test_clocks_that_agree_let_everything_through(dated: Dated) -> None:
    """A few minutes apart are no reason, nor is a CRM that does not tell."""
    dated.world.clock.now += timedelta(minutes=4)
    dated.look()
    plan = dated.world.plan().plan
    assert plan.aged == ("cold", "long-silent")
    assert dated.apply(plan).failures == {}
    assert len(dated.by_age) > 1


def test_a_jump_while_a_run_is_under_way_is_noticed(dated: Dated) -> None:
    """The CRM is asked for the time once more, just before anything that counts by age."""
    dated.look()
    plan = dated.world.plan().plan

    def jump(step: str) -> None:
        if step == "answer":
            dated.world.clock.now += timedelta(minutes=10)
        dated.answer(step)

    dated.world.crm.on_call = jump
    assert isinstance(dated.apply(plan).failures["crm"], ClockError)
    assert dated.by_age == []


def test_rules_that_count_by_age_are_known() -> None:
    """By kind, by what they do, by a duration anywhere in what they look for; not by a task's due date."""
    names = ("baseline", "format", "segments", "completeness")
    packs = {rule.id: rule for name in names for rule in load_rules([pack_path(name)]).rules}
    aged = {name for name, rule in packs.items() if by_age(rule)}
    assert {rule.id for rule in packs.values() if rule.kind in {"retention", "stale"}} <= aged
    assert not aged & {"name-case", "email-clean", "email-broken", "phone-e164"}
    base = {"id": "r", "about": "x", "check": {"kind": "required", "fields": ["email"]}}
    nested: list[Mapping[str, Any]] = [
        {"where": {"not": {"any": [{"field": "created_at", "newer_than": "3 days"}]}}},
        {"except": {"field": "created_at", "newer_than": "3 days"}},
        {"actions": [{"archive": {}}]},
    ]
    assert [by_age(Rule.model_validate(base | dict(more))) for more in nested] == [True] * 3
    assert not by_age(Rule.model_validate(base))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Mon, 16 Nov 2026 09:00:00 GMT", 3600),
        ("Mon, 16 Nov 2026 07:59:00 GMT", -60),
        ("nonsense", None),
        ("", None),
        (None, None),
    ],
)
def test_answers_tell_how_far_the_clocks_are_apart(
    header: str | None, seconds: float | None
) -> None:
    """By the Date of the last that told."""
    calls = Calls(clock=SetClock())
    calls.note_date(None if header is None else {"Date": header})
    assert calls.ahead == (None if seconds is None else timedelta(seconds=seconds))
