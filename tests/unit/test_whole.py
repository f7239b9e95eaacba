"""Shares: what a share of each leaves out, another one holds."""

from __future__ import annotations

from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import whole

from crm_steward.testing import crashing


@pytest.fixture(autouse=True)
def share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a share be tried, whatever this run tries."""
    monkeypatch.setattr(whole, "WHOLE", False)
    monkeypatch.setattr(crashing, "_WHOLE", False)


@pytest.mark.parametrize("faults", [2, 4, 5])
def test_each_moment_is_tried_with_one_of_the_faults(faults: int) -> None:
    """Each fault begins at a turn of its own."""
    step = whole.stride(faults)
    tried = [at for turn in range(faults) for at in range(turn % step, 60, step)]
    assert sorted(tried) == list(range(60))


@pytest.mark.parametrize("first", [0, 3, 8])
def test_each_moment_of_a_connector_is_tried_with_one_trouble(first: int) -> None:
    """From the call that makes the change on: not sent, or its answer lost."""
    taken = [list(takewhile((60).__gt__, crashing._taken(how, first))) for how in crashing.LOST]
    assert sorted(at for each in taken for at in each) == list(range(first, 60))


@given(name=st.text(), size=st.integers(1, 30), one_in=st.integers(1, 30))
def test_a_portion_is_the_same_each_time_and_never_empty(name: str, size: int, one_in: int) -> None:
    """Of no fewer things than it takes one in."""
    size = max(size, one_in)
    found = whole.portion(range(size), name, one_in=one_in)
    assert found == whole.portion(range(size), name, one_in=one_in)
    assert size // one_in <= len(found) <= -(-size // one_in)
