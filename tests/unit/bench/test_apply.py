"""The bench of writing: at the full share of a limit, writing uses it and is not refused."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest


def test_writing_fills_the_windows(bench: Callable[[str], ModuleType]) -> None:
    """Pipedrive's two seconds: 95 % of the calls are made, the protocol's own included."""
    used = bench("apply").windows("pipedrive", 30, 1, 0.0)

    assert used.share >= 0.95, used.said
    assert used.refused == 0


def test_latency_slows_writing(bench: Callable[[str], ModuleType]) -> None:
    """The shared clock counts what calls take: half a second each leaves most of a limit unused."""
    used = bench("apply").windows("pipedrive", 30, 1, 0.5)

    assert 0.1 < used.share < 0.3, used.said


@pytest.mark.parametrize(
    ("kind", "quota", "calls"), [("zoho", "credits", 100), ("salesforce", "daily", 50)]
)
def test_a_day_is_used_to_its_end(
    bench: Callable[[str], ModuleType], kind: str, quota: str, calls: int
) -> None:
    """Where only the day is limited: what is ours of it is written with, and then nothing is asked."""
    used = bench("apply").day(kind, 2 * calls, quota, calls, 0.0)

    assert used.share >= 0.95, used.said
    assert used.refused == 0


def test_the_protocol_reads_once_for_a_hundred(
    bench: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    """HubSpot, a hundred updates: one call reads, one writes."""
    apply = bench("apply")
    apply.RULES = {"update": apply.RULES["update"]}

    apply.requests("hubspot", shown=True)

    said = capsys.readouterr().out
    assert "0.010 read + 0.010 write = 0.020" in said
    assert "/contacts/batch/read" in said
