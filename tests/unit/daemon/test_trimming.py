"""What was freed goes back to the system."""

from __future__ import annotations

import platform

import psutil
import pytest

from crm_steward.daemon.trimming import trim

BLOCKS, BYTES = 30_000, 3_000
"""Small enough to be cut from one heap, and 90 MB together."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps it")
def test_what_lies_free_below_what_is_used_is_given_back() -> None:
    """As after a long page: a little that is kept holds up all that was freed below it."""
    blocks = [bytes(BYTES) for _ in range(BLOCKS)]
    kept = blocks[-1]
    blocks.clear()
    before = psutil.Process().memory_info().rss
    trim()

    assert before - psutil.Process().memory_info().rss > BLOCKS * BYTES // 2
    assert len(kept) == BYTES
