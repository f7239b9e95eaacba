"""What people do in the CRM while we work there."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.unit.writing.machine.office import LEFT, NO, Office

IDS = ("1", "2", "3", "4", "5")
ERASABLE = "5"
"""The record of the person who will ask to be erased."""

Edit = tuple[str, str, str | None]
EDITS: st.SearchStrategy[Edit] = st.one_of(
    st.tuples(
        st.sampled_from(IDS),
        st.just("first_name"),
        st.sampled_from(["ANNE", "Anne", "JEANNE", "Zoé"]),
    ),
    st.tuples(
        st.sampled_from(IDS), st.just("email"), st.sampled_from([None, "A@EXAMPLE.COM", "b@b.be"])
    ),
    st.tuples(st.sampled_from(IDS), st.just("job_title"), st.sampled_from([NO, None])),
    st.tuples(st.sampled_from(IDS[2:4]), st.just("company"), st.sampled_from([LEFT, None])),
)


class People:
    """Edits, removals, objections."""

    office: Office

    @rule(edit=EDITS)
    def edits(self, edit: Edit) -> None:
        """A person edits a record."""
        record_id, name, value = edit
        if record_id in self.office.crm.records:
            self.office.crm.edit(record_id, **{name: value})

    @rule(record_id=st.sampled_from(IDS))
    def objects(self, record_id: str) -> None:
        """A person says no to marketing mail."""
        if record_id in self.office.crm.records:
            self.office.crm.object(record_id)

    @rule(record_id=st.sampled_from(IDS[2:4]), survivor=st.sampled_from([None, "1"]))
    def removes(self, record_id: str, survivor: str | None) -> None:
        """A person deletes a record, or merges it into another."""
        if record_id in self.office.crm.records:
            self.office.crm.remove(record_id, survivor=survivor)

    @rule(seconds=st.sampled_from([1, 40, 1000, 100_000, 300_000]))
    def time_passes(self, seconds: int) -> None:
        """Time passes; after three days a plan is too old."""
        self.office.wait(seconds)
