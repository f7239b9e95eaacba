"""Engines are run apart from each other and judged alike (bench/peers.py)."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_steward.matching.evaluating import b_cubed, pairwise

SCRIPT = Path(__file__).parents[3] / "bench" / "peers.py"
Bench = Callable[[str], ModuleType]


def _cells(*arguments: str) -> dict[str, list[str]]:
    """Run the bench; return engine → the cells behind its name."""
    command = [sys.executable, str(SCRIPT), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.splitlines()[2:]]
    return {row[1]: row[2:] for row in rows}


def test_engines_are_judged_side_by_side() -> None:
    """Ours, exact keys and Splink find most of 2,000 contacts of a world; what is sure is right."""
    found = _cells(
        *("2000", "--world", "held-out", "--peers", sys.executable),
        *("--only", "exact,ours,splink", "--threads", "1"),
    )

    assert list(found) == ["exact", "ours", "ours, sure", "splink"]
    precision, recall, f1, b3 = (
        dict(zip(found, (float(row[place]) for row in found.values()), strict=True))
        for place in range(4)
    )
    assert f1["ours"] > f1["exact"] > 0.8
    assert f1["splink"] > 0.8
    assert precision["ours, sure"] >= precision["ours"] > 0.9
    assert recall["ours, sure"] < recall["ours"]
    assert min(b3.values()) > 0.9


def test_what_cannot_run_says_why() -> None:
    """Without an interpreter for peers they are named as left out; nothing else is."""
    found = _cells("300", "--only", "exact,dedupe")

    assert len(found["exact"]) == 8
    assert found["dedupe"] == ["left out, for it needs --peers"]


def test_an_engine_that_takes_too_long_is_stopped() -> None:
    """The table says after how many seconds."""
    found = _cells("300", "--only", "ours", "--at-most", "0.001")

    assert found["ours"] == ["stopped after 0.001 s"]


def test_an_engine_that_fails_says_the_last_thing_it_said(bench: Bench, tmp_path: Path) -> None:
    """A file without contacts is named in DuckDB's words, not by the picture under them."""
    peers = bench("peers")
    (tmp_path / "none.parquet").write_text("no contacts")

    answer = peers.Bench(tmp_path, None).answer("exact", tmp_path / "none.parquet")

    assert isinstance(answer, str)
    assert "none.parquet" in answer


def test_without_contacts_the_bench_is_left_out() -> None:
    """`make bench` runs every file of bench/ without arguments."""
    for script in (SCRIPT, SCRIPT.with_name("peer_engines.py")):
        done = subprocess.run(
            [sys.executable, str(script)], check=True, capture_output=True, text=True
        )
        assert "left out" in done.stdout


@pytest.mark.parametrize("engine", ["recordlinkage", "dedupe"])
def test_peers_that_the_project_lacks(engine: str) -> None:
    """Each finds something among 1,000 contacts, where it is installed."""
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed here; see the top of bench/peers.py")
    found = _cells("1000", "--peers", sys.executable, "--only", engine, "--threads", "1")

    assert float(found[engine][2]) > 0.5


_ROWS = 8
_people = st.lists(st.integers(0, 3), min_size=_ROWS, max_size=_ROWS)
_pairs = st.lists(
    st.tuples(
        st.integers(0, _ROWS - 1), st.integers(0, _ROWS - 1), st.sampled_from([0.2, 0.5, 0.9])
    ),
    max_size=12,
)


def _groups(pairs: list[tuple[int, int, float]], least: float) -> dict[int, int]:
    """Return row → group, by painting over: slow, and unlike what it checks."""
    of = {row: row for row in range(_ROWS)}
    for left, right, score in pairs:
        if score >= least:
            old, new = of[right], of[left]
            of = {row: new if group == old else group for row, group in of.items()}
    return of


@given(people=_people, pairs=_pairs)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_judged_agrees_with_what_evaluates_rules(
    bench: Bench, people: list[int], pairs: list[tuple[int, int, float]]
) -> None:
    """Pairwise and B³ are what `duplicates evaluate` would say; the threshold chosen is the best."""
    judged = bench("peers").judged
    columns = list(zip(*pairs, strict=True)) or [(), (), ()]
    table = pa.table(
        {
            "left": pa.array(columns[0], pa.int64()),
            "right": pa.array(columns[1], pa.int64()),
            "score": pa.array(columns[2], pa.float64()),
        }
    )
    true = dict(enumerate(people))

    every = judged(table, people, choose=False)
    chosen = judged(table, people, choose=True)

    known = pairwise(_groups(pairs, 0), true)
    assert every.f1 == pytest.approx(known.f1)
    assert every.recall == pytest.approx(known.recall)
    assert every.precision == pytest.approx(1 if known.precision is None else known.precision)
    assert every.b3 == pytest.approx(b_cubed(_groups(pairs, 0), true).f1)
    best = max(pairwise(_groups(pairs, least), true).f1 for least in (0.2, 0.5, 0.9))
    assert chosen.f1 == pytest.approx(best)
