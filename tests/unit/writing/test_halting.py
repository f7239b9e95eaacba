"""What stops writing: a person, the stop file, failures; how it goes on, and what is kept of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.unit.writing.conftest import NAMES, PHONES, World

from crm_steward.model import Cause, Channel, Consent, ConsentStatus, Email, Halt
from crm_steward.settings import Halting
from crm_steward.store.database import Database
from crm_steward.store.halts import Halts
from crm_steward.store.journal import Journal, State
from crm_steward.store.lease import hold
from crm_steward.testing import Fault
from crm_steward.writing import Target, Targets, Why
from crm_steward.writing.limits import DAY

BOUNDS = Halting(failures_in_a_row=3, percent=10, counted_from=10)


def _people(world: World, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        world.crm.add(str(number), first_name="JEANNE", phone="01 42 68 53 00", country="FR")


def _targets(world: World, halt: Halting = BOUNDS) -> Targets:
    target = Target(connector=world.crm, batch=world.batch)
    return Targets({"crm": target}.__getitem__, halt)


def _pause(world: World, **names: str) -> Halt:
    halt = Halt(reason="Import", by="Dana", at=world.clock(), **names)  # type: ignore[arg-type] # names
    Halts(world.database).stop(halt)
    return halt


def _resume(world: World, connection: str = "", rule_: str = "") -> tuple[Halt, ...]:
    halts = Halts(world.database)
    return halts.end(connection, rule_, by="Dana", reason="Done", at=world.clock())


def _proven(world: World) -> None:
    """Let the rules be no canaries any more: those stop by themselves when changes are refused."""
    with hold(world.database, clock=world.clock) as lease:
        Journal(world.database).prove({rule.id: rule.digest for rule in world.book.rules}, lease)


def _round(world: World, halt: Halting = BOUNDS) -> Any:
    world.clock.forward(seconds=1)
    world.look()
    return world.apply(world.plan().plan, targets=_targets(world, halt))


@pytest.mark.parametrize("names", [{}, {"connection": "crm"}, {"rule": "name-case"}])
def test_a_pause_stops_apply_and_undo_until_it_is_resumed(
    any_world: World, names: dict[str, str]
) -> None:
    """Under its own name only; the plan goes on after it, and who paused and why is kept."""
    world = any_world
    _people(world, 2)
    world.look()
    plan = world.plan().plan
    _pause(world, **names)
    held = world.apply(plan)
    assert (held.halted.total(), held.states.total()) == (2, 0)
    assert world.crm.written == []
    assert [one.why for one in world.plan(save=False).withheld] == [Why.HALTED] * 2

    assert _resume(world, "other") == ()
    (ended,) = _resume(world, names.get("connection", ""), names.get("rule", ""))
    assert (ended.by, ended.ended_by) == ("Dana", "Dana")
    done = world.apply(plan)
    assert done.states[State.VERIFIED] == 2
    _pause(world, **names)
    assert world.undo(done.run).halted.total() == 2
    assert len(world.crm.written) == 2
    assert [one.ended_reason for one in Halts(world.database).all()] == ["", "Done"]


def test_a_pause_of_another_name_stops_nothing(world: World) -> None:
    """Another connection and another rule are written as ever."""
    _people(world, 2)
    _pause(world, connection="other")
    _pause(world, rule="phone")
    assert _round(world).states[State.VERIFIED] == 2


def test_in_a_batch_only_the_paused_rule_is_held_back(world: World) -> None:
    """The intents of the others are committed without it."""
    world.rules(NAMES, PHONES.replace("propose", "apply"))
    _people(world, 2)
    world.look()
    plan = world.plan().plan
    _pause(world, rule="phone")
    counts = world.apply(plan)
    assert (counts.states[State.VERIFIED], counts.halted.total()) == (2, 2)
    assert {change.values.keys() == {"first_name"} for change in world.crm.written} == {True}  # type: ignore[union-attr] # updates


@pytest.mark.parametrize("how", ["pause", "file"])
def test_what_stops_after_the_intent_is_seen_before_the_call(
    world: World, tmp_path: Path, how: str
) -> None:
    """The record was read, the intent is durable: nothing goes out, and it can be tried again."""
    file = tmp_path / "STOP-WRITING"
    halting = BOUNDS.model_copy(update={"file": file})
    _people(world, 3)
    world.look()
    plan = world.plan().plan

    def meanwhile(step: str) -> None:
        if step == "get":
            file.touch() if how == "file" else _pause(world)

    world.crm.on_call = meanwhile
    counts = world.apply(plan, targets=_targets(world, halting))
    assert (counts.states[State.ABSENT], counts.halted.total()) == (3, 3)
    assert (world.crm.written, world.crm.calls["apply"]) == ([], 0)

    world.crm.on_call = lambda _step: None
    file.unlink(missing_ok=True)
    _resume(world)
    assert world.apply(plan).states[State.VERIFIED] == 3


def test_the_stop_file_names_itself_and_how_to_resume(world: World, tmp_path: Path) -> None:
    """Also a link that leads nowhere stops; a folder that is missing does not."""
    file = tmp_path / "STOP-WRITING"
    file.symlink_to("nowhere")
    halting = BOUNDS.model_copy(update={"file": file})
    _people(world, 1)
    counts = _round(world, halting)
    (halt,) = counts.halted
    assert (halt.cause, world.crm.written) == (Cause.FILE, [])
    assert str(file) in halt.sentence("en")
    assert str(file) in halt.sentence("fr")
    assert "Remove the file" in halt.remedy("en")
    absent = BOUNDS.model_copy(update={"file": tmp_path / "none" / "STOP-WRITING"})
    assert _round(world, absent).states[State.VERIFIED] == 1


def test_a_stop_file_that_cannot_be_looked_at_counts_as_there(world: World, tmp_path: Path) -> None:
    """It fails closed: a name that the system refuses stops writing."""
    halting = BOUNDS.model_copy(update={"file": tmp_path / ("x" * 300)})
    _people(world, 1)
    assert _round(world, halting).halted.total() == 1
    assert world.crm.written == []


def test_failures_in_a_row_stop_a_connection_and_one_change_is_tried_later(world: World) -> None:
    """One turn when it stops, none while it stays so, one when a change is taken again."""
    world.batch = 1
    _proven(world)
    _people(world, 8)
    world.crm.refuses = lambda _change: "maintenance"
    stopped = _round(world)
    assert (stopped.states[State.REJECTED], stopped.halted.total()) == (3, 5)
    assert [halt.cause for halt in stopped.turned] == [Cause.ROW]

    early = _round(world)
    assert (early.states.total(), early.turned) == (0, [])

    world.clock.forward(minutes=30)
    tried = _round(world)
    assert (tried.states[State.REJECTED], tried.turned) == (1, [])
    assert tried.halted.total() == 7
    assert _round(world).states.total() == 0

    world.clock.forward(minutes=30)
    world.crm.refuses = lambda _change: ""
    well = _round(world)
    assert well.states[State.VERIFIED] == 8
    assert [halt.ended_by for halt in well.turned] == ["crm-steward"]
    assert Halts(world.database).standing() == ()


def test_a_share_of_failures_stops_a_connection(world: World) -> None:
    """More than a tenth of a run, scattered; the figures are kept; resuming begins a new count."""
    world.batch = 5
    _proven(world)
    _people(world, 30)
    world.crm.fail(Fault.REJECTED, *[None] * 4, Fault.REJECTED, *[None] * 4)
    counts = _round(world)
    (halt,) = counts.turned
    assert (halt.cause, halt.reason) == (Cause.SHARE, "2/10")
    assert counts.states[State.VERIFIED] == 8

    assert _resume(world, "crm") != ()
    world.clock.forward(minutes=5)  # what was refused is not tried again sooner
    assert _round(world).states[State.VERIFIED] == 22


def test_edited_records_count_for_apply_and_not_for_undo(world: World) -> None:
    """Undo leaves edited records alone and goes on to the others."""
    world.batch = 1
    _people(world, 8)
    done = _round(world)
    for number in range(4, 8):
        world.crm.edit(str(number), first_name="Zoé")
    back = world.undo(done.run)
    assert (back.states[State.CONFLICT], back.states[State.VERIFIED]) == (4, 4)
    assert back.turned == []

    _people(world, 8, first=10)
    world.look()
    plan = world.plan().plan
    for number in range(10, 18):
        world.crm.edit(str(number), first_name="Zoé")
    rows_only = BOUNDS.model_copy(update={"percent": 90.0})
    stopped = world.apply(plan, targets=_targets(world, rows_only))
    assert (stopped.states[State.CONFLICT], stopped.halted.total()) == (3, 5)


SILENT = """
  - id: silent
    about: No job title
    check: {kind: required, fields: [job_title]}
    actions: [suppress: {channel: email}]
    mode: apply
"""


def test_what_stands_already_is_no_failure_and_no_write_of_ours(world: World) -> None:
    """Silenced or corrected by others since the plan: nothing stops, no limit counts, undo leaves it."""
    world.batch = 1
    world.rules(SILENT, NAMES)
    for number in range(8):
        world.crm.add(str(number), first_name="JEANNE", emails=(Email(f"p{number}@example.com"),))
    world.look()
    plan = world.plan().plan
    assert len(plan.changes) == 16
    no = Consent(channel=Channel.EMAIL, status=ConsentStatus.WITHDRAWN)
    for number in range(8):
        world.crm.edit(str(number), consents=(no,), first_name="Jeanne")
    counts = world.apply(plan, targets=_targets(world))
    assert (counts.states, counts.turned) == ({State.ALREADY: 16}, [])
    assert {(line.kind, line.reason) for line in counts.lines} == {
        ("suppress", "the channel is suppressed already"),
        ("update", "the record already holds it"),
    }
    assert (world.crm.written, counts.left, counts.needs_a_look) == ([], 0, False)
    assert Journal(world.database).written_since(world.clock() - DAY, world.clock()) == {}
    assert world.would_undo(counts.run).items == ()

    assert _round(world).states.total() == 0
    assert world.withheld(world.plan(save=False)) == []


def test_what_stands_already_does_not_end_a_trial(world: World) -> None:
    """Whether the CRM takes changes again is not shown by one that it was not sent."""
    world.batch = 1
    _proven(world)
    _people(world, 5)
    world.crm.refuses = lambda _change: "maintenance"
    assert [halt.cause for halt in _round(world).turned] == [Cause.ROW]
    world.clock.forward(minutes=30)
    world.look()
    plan = world.plan().plan
    for number in range(5):
        world.crm.edit(str(number), first_name="Jeanne")
    tried = world.apply(plan, targets=_targets(world))
    assert (tried.states, tried.turned) == ({State.ALREADY: 1}, [])
    assert len(Halts(world.database).standing()) == 1


class Stopping(RuleBasedStateMachine):
    """People pause, resume, make and remove the file; the CRM refuses for a while; time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(prefix="steward-halting-"))
        self.database = Database.open(f"sqlite:///{self.folder}/steward.db")
        self.now = datetime(2026, 11, 26, 8, tzinfo=UTC)
        self.world = World(self.database, self.folder, _Clock(lambda: self.now, self.forward))
        self.world.batch = 2
        self.file = self.folder / "STOP-WRITING"
        self.bounds = BOUNDS.model_copy(update={"file": self.file})
        self.paused: set[tuple[str, str]] = set()
        self.refuses = False
        self.count = 0
        self.sent = 0
        self.world.crm.refuses = self._refuse

    def forward(self, **length: float) -> None:
        """Let time pass."""
        self.now += timedelta(**length)

    def _refuse(self, _change: object) -> str:
        assert not self.file.exists()
        assert not self.paused & {("", ""), ("crm", ""), ("", "name-case")}
        self.sent += 1
        return "maintenance" if self.refuses else ""

    @rule(names=st.sampled_from([("", ""), ("crm", ""), ("", "name-case"), ("other", "")]))
    def pause(self, names: tuple[str, str]) -> None:
        """Pause something."""
        _pause(self.world, connection=names[0], rule=names[1])
        self.paused.add(names)

    @precondition(lambda self: self.paused)
    @rule()
    def resume(self) -> None:
        """Resume it all."""
        for connection, rule_ in self.paused:
            assert _resume(self.world, connection, rule_)
        self.paused.clear()

    @rule()
    def touch(self) -> None:
        """Make the stop file, or remove it."""
        self.file.unlink() if self.file.exists() else self.file.touch()

    @rule()
    def turn(self) -> None:
        """Let the CRM begin or cease to refuse."""
        self.refuses = not self.refuses

    @rule(minutes=st.sampled_from([1, 29, 31, 1500]))
    def wait(self, minutes: int) -> None:
        """Let time pass."""
        self.forward(minutes=minutes)

    @rule(count=st.integers(1, 7))
    def work(self, count: int) -> None:
        """New contacts come and one round of the service runs."""
        _people(self.world, count, first=self.count)
        self.count += count
        before, standing = self.sent, Halts(self.database, self.file).standing()
        automatic = [halt for halt in standing if halt.automatic]
        counts = _round(self.world, self.bounds)
        if any(not halt.due(self.now) for halt in automatic):
            assert self.sent == before
        if automatic and not any(halt.ended_at for halt in counts.turned):
            assert self.sent - before <= 1
            assert counts.turned == []

    @invariant()
    def one_automatic_halt_at_most(self) -> None:
        """It is not stopped twice, and no trial is left open."""
        halts = [halt for halt in Halts(self.database).standing() if halt.automatic]
        assert len(halts) <= 1
        assert all(not halt.trial for halt in halts)

    def teardown(self) -> None:
        """Forget it."""
        self.database.close()
        shutil.rmtree(self.folder)


class _Clock:
    """The clock of a machine."""

    def __init__(self, now: Callable[[], datetime], forward: Callable[..., None]) -> None:
        self._now = now
        self.forward = forward

    def __call__(self) -> datetime:
        return self._now()


TestStopping = Stopping.TestCase
TestStopping.settings = settings(max_examples=10, stateful_step_count=12)
