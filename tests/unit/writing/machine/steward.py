"""What we do, and the people who approve it, while network, clock and process fail."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.unit.writing.machine.disturbed import FAULTS, HERE, SCRIPTS, Disturbed, Script

from crm_steward.store.outbox import Outbox
from crm_steward.store.plans import Plans
from crm_steward.testing import Fault
from crm_steward.writing import approve


class Steward(Disturbed):
    """Rounds of the service, old plans, approvals, undoing, reports."""

    @rule(full=st.booleans(), script=SCRIPTS)
    def looks(self, *, full: bool, script: Script) -> None:
        """Pull and scan; the process may die between two pages."""
        with self.disturbed(script):
            self.office.look(full=full)

    @rule(script=SCRIPTS, faults=FAULTS)
    def writes(self, script: Script, faults: Sequence[Fault | None]) -> None:
        """One round of the service."""
        with self.disturbed(script, faults):
            self.office.look()
            with self.office.writer() as lease:
                self.office.round(lease)

    @rule(at=st.integers(1, 40), faults=FAULTS)
    def sleeps(self, at: int, faults: Sequence[Fault | None]) -> None:
        """One round, in which the process stands still so long that another takes over."""
        with self.disturbed([], faults, sleeps_at=at):
            self.office.look()
            with self.office.writer(HERE) as lease:
                self.office.round(lease)

    @rule(back=st.integers(1, 4), script=SCRIPTS, faults=FAULTS)
    def applies_an_old_plan(
        self, back: int, script: Script, faults: Sequence[Fault | None]
    ) -> None:
        """A person applies a plan that lies about: used, replaced, too old, or good."""
        if len(self.office.plans) >= back:
            with self.disturbed(script, faults):
                self.office.apply(self.office.plans[-back])

    @rule(
        what=st.sampled_from(["all", "left", "name-case"]),
        back=st.sampled_from([0, 0, 1, 2]),
        script=SCRIPTS,
        faults=FAULTS,
    )
    def approves(
        self, what: str, back: int, script: Script, faults: Sequence[Fault | None]
    ) -> None:
        """A person looks, agrees to a plan with a note, and applies it; or agrees to an old one."""
        with self.disturbed(script, faults):
            if not back:
                self.office.look()
                self.office.plan()
            if len(self.office.plans) > back:
                name = self.office.plans[-1 - back]
                stored = Plans(self.office.database).get(name)
                if stored is not None:
                    approve(
                        self.office.database, stored, what,
                        by="bob", note="as agreed", clock=self.office.now,
                    )  # fmt: skip
                    self.office.apply(name)

    @rule(
        what=st.sampled_from(["name-case", "email-case", "no-email", "said-no", "crm:1", "crm:2"]),
        script=SCRIPTS,
        faults=FAULTS,
    )
    def undoes(self, what: str, script: Script, faults: Sequence[Fault | None]) -> None:
        """Take back fields and tasks."""
        with self.disturbed(script, faults):
            self.office.undo(what)

    @rule(script=SCRIPTS, loses=st.booleans())
    def reports(self, *, script: Script, loses: bool) -> None:
        """Send the report that is due; its answer may get lost, and the process may die."""
        post = self.office.post
        post.loses = loses
        with self.disturbed([(at % 12, event) for at, event in script]):
            self.office.report()
        post.loses = False
        open_ = (one for one in Outbox(self.office.database).letters() if one.sent_at is None)
        post.doubted |= {one.period for one in open_}
