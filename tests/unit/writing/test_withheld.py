"""What a plan leaves out, held in columns, is what was put in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crm_steward.model import RecordRef
from crm_steward.writing import Why, Withheld, summary
from crm_steward.writing.withheld import LeftOut

SOME = st.lists(
    st.builds(
        Withheld,
        rule=st.sampled_from(["r", "s"]),
        finding=st.text(max_size=3),
        ref=st.builds(RecordRef, st.sampled_from(["a", "b"]), st.text(max_size=2)),
        why=st.sampled_from(Why),
        detail=st.sampled_from(["", "5", "x"]),
    )
)


@given(some=SOME, cut=st.slices(20))
def test_what_is_left_out_reads_as_a_list_of_it(some: list[Withheld], cut: slice) -> None:
    """Order, length, places, slices, equality and counts are those of the list."""
    held = LeftOut(some)
    assert list(held) == some
    assert [held[place] for place in range(len(held))] == some
    assert held[cut] == some[cut]
    assert held == some
    assert (held == [*some, Withheld("r", "", RecordRef("a", "1"), Why.DONE)]) is False
    assert summary(held) == summary(some)
