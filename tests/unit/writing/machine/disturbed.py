"""What happens in the middle of what we do: deaths, edits, jumps, pauses, another process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from hypothesis import strategies as st
from tests.unit.writing.machine.office import Office
from tests.unit.writing.machine.people import EDITS, Edit

from crm_steward.model import BusyError, Halt, LimitExceededError
from crm_steward.store.halts import Halts
from crm_steward.store.lease import Holder
from crm_steward.testing import Fault
from crm_steward.testing.mortal import Crash

HERE = Holder("here.example.com", 1)
THERE = Holder("there.example.com", 1)
"""Processes of other machines: nobody sees from here whether they live."""
ASLEEP = timedelta(minutes=11)
"""Longer than a lease lasts."""
JUMPS = [timedelta(hours=1), timedelta(days=1), timedelta(days=3653)]
JUMPS += [-jump for jump in JUMPS[:2]]

SAFE = ("get", "apply", "answer", "committed", "settle")
"""Where a process may fall asleep: no transaction is open then, and no call is under way."""

Event = tuple[str, Edit | timedelta | str | None]
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.tuples(st.just("die"), st.none()),
    st.tuples(st.just("edit"), EDITS),
    st.tuples(st.just("jump"), st.sampled_from(JUMPS)),
    st.tuples(st.just("halt"), st.sampled_from(["", "name-case", "no-email"])),
    st.tuples(st.just("slow"), st.none()),
)
SCRIPTS = st.lists(st.tuples(st.integers(0, 40), EVENTS), max_size=3)
Script = Sequence[tuple[int, Event]]
FAULTS = st.lists(st.sampled_from([*[None] * len(Fault), *Fault]), max_size=4)


class Disturbed:
    """Runs what we do, with a script of what happens at which step of it."""

    office: Office

    @contextmanager
    def disturbed(
        self, script: Script, faults: Sequence[Fault | None] = (), *, sleeps_at: int = -1
    ) -> Iterator[None]:
        """Let the block meet a script; what may end it is as it should be.

        A process that dies leaves its lease behind. One that sleeps past its end is overtaken by
        another, which does a whole round, and then wakes up.
        """
        office, counted = self.office, 0
        office.crm.faults.clear()
        office.crm.fail(*faults)

        def step(name: str) -> None:
            nonlocal counted, sleeps_at
            counted += 1
            if 0 <= sleeps_at < counted and name in SAFE:
                sleeps_at = -1
                self._overtaken()
            for at, event in script:
                if at == counted:
                    self._happens(event, name)

        office.on_step = step
        try:
            yield
        except Crash:
            office.on_step = lambda _step: None
            office.database.rise()
        except (LimitExceededError, BusyError):
            """A plan that is used up, too old or replaced; a lease that was lost."""
        finally:
            office.on_step = lambda _step: None
            office.crm.faults.clear()

    def _happens(self, event: Event, step: str) -> None:
        kind, what = event
        match kind, what:
            case "die", _:
                self.office.database.dead = True
                raise Crash
            case "edit", (str(record_id), str(name), value):
                if record_id in self.office.crm.records:
                    self.office.crm.edit(record_id, **{name: value})
            case "jump", timedelta():
                self.office.jump(what)
            case "halt", str() if step in SAFE:
                self.halt(what)
            case "slow", _:
                self.office.wait(20)
            case _:
                """A pause waits for the end of a transaction: it comes at the next step, if any."""

    def halt(self, rule: str) -> None:
        """A person stops writing, everywhere or of one rule, from another process."""
        with self.office.elsewhere():
            halt = Halt(rule=rule, reason="wait", by="ann", at=self.office.now())
            Halts(self.office.database).stop(halt)

    def _overtaken(self) -> None:
        self.office.wait(ASLEEP.total_seconds())
        with self.office.elsewhere(), self.office.writer(THERE) as lease:
            self.office.settle(lease)
            self.office.wait(60)
            self.office.round(lease)
