"""What nobody wishes for: wrong clocks, older copies, stopped writing, shrunken sources, erasures."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.unit.writing.machine.disturbed import JUMPS, SCRIPTS, Disturbed, Script
from tests.unit.writing.machine.office import KEY, NAME
from tests.unit.writing.machine.people import ERASABLE, IDS

from crm_steward.model import RecordRef
from crm_steward.store.erasing import erase
from crm_steward.store.erasures import keep_erasures
from crm_steward.store.halts import Halts
from crm_steward.store.subject import Sought
from crm_steward.store.tombstones import Tombstones

MARKS = ("Zabriskie", "zabriskie@example.com")
"""What only the record of the person to be erased holds."""


class Disasters(Disturbed):
    """Clocks, copies, halts, shrinking and erasing."""

    @rule(by=st.sampled_from(JUMPS))
    def clock_jumps(self, by: timedelta) -> None:
        """Our clock goes wrong."""
        self.office.jump(by)

    @rule()
    def clock_is_set_right(self) -> None:
        """And is set right."""
        self.office.jump(-self.office.drift)

    @rule(by_product=st.booleans())
    def copies(self, *, by_product: bool) -> None:
        """A copy is made."""
        if len(self.office.copies) < 4:
            self.office.keep_copy(by_product=by_product)

    @rule(back=st.integers(1, 2), by_product=st.booleans())
    def older_copy_comes_back(self, back: int, *, by_product: bool) -> None:
        """An older copy takes the database's place, by `restore` or by hand."""
        if len(self.office.copies) >= back:
            self.office.put_back(self.office.copies[-back], by_product=by_product)

    @rule(rule_id=st.sampled_from(["", "name-case", "no-email"]), file=st.booleans())
    def writing_is_stopped(self, rule_id: str, *, file: bool) -> None:
        """A person stops writing, with a command or by a file."""
        if file:
            self.office.stop_file.touch()
        else:
            self.halt(rule_id)

    @rule(rule_id=st.sampled_from(["", "name-case", "no-email"]))
    def writing_goes_on(self, rule_id: str) -> None:
        """And lets it go on."""
        self.office.stop_file.unlink(missing_ok=True)
        Halts(self.office.database).end("", rule_id, by="ann", reason="done", at=self.office.now())

    @rule(hidden=st.sets(st.sampled_from(IDS), max_size=4), full=st.booleans())
    def source_shrinks(self, hidden: set[str], *, full: bool) -> None:
        """Reading brings less than there is, or all of it again."""
        self.office.crm.show()
        self.office.crm.hidden |= hidden
        self.office.look(full=full)

    @rule(script=SCRIPTS)
    def person_is_erased(self, script: Script) -> None:
        """A person asks to be erased: they are deleted in the CRM, and erased here."""
        office = self.office
        if not office.erased:
            if ERASABLE in office.crm.records:
                office.crm.remove(ERASABLE)
            with self.disturbed(script), office.writer() as lease:
                ref = RecordRef(NAME, ERASABLE)
                sought = Sought(refs=frozenset({ref}), emails=frozenset({MARKS[1]}))
                erase(
                    office.database, sought, Tombstones(office.database, KEY), run="erase",
                    now=office.now(), lease=lease, give_up=True,
                )  # fmt: skip
                keep_erasures(office.database)
                office.erased = list(MARKS)
