"""How well and how fast duplicates are found among invented contacts with a known person behind each.

    python bench/duplicates.py [COUNT | FILE.parquet]… [--world default|held-out] [--memory 8GB]

makes the contacts with bench/population.py, or takes a file that it wrote. The clock starts when
the columns that matching reads are in memory and stops at the groups. The weights that ship were counted on the
default world; on the held-out world nobody tuned.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from crm_steward.matching import COLUMNS, Wanted, matched
from world import World, write

BUDGET = 60
"""Microseconds of CPU per contact: 6 s for 100,000."""

_WORLDS = {"default": World, "held-out": World.held_out}

_JUDGED = """
CREATE TABLE matching.judged AS SELECT m.group_n, c.person, g.sure
FROM matching.members m JOIN matching.groups g USING (group_n)
JOIN matching.records p ON p.n = m.n JOIN contacts c ON c.connection = p.connection AND c.id = p.id
"""


def _pairs(by: str, of: str) -> str:
    return f"SELECT sum(k * (k - 1) // 2) FROM (SELECT count(*) AS k FROM {of} GROUP BY {by})"


def _measured(file: Path, memory: str, spill: Path) -> tuple[str, float]:
    """Return the figures of one file, and the CPU that a contact took, in microseconds."""
    con = duckdb.connect(
        config={
            "threads": 2,
            "preserve_insertion_order": "false",
            "memory_limit": memory,
            "temp_directory": str(spill),
        }
    )
    con.execute(
        f"CREATE TABLE contacts AS SELECT {', '.join(COLUMNS)}, person FROM (SELECT *, "
        "NULL::VARCHAR AS email_keys, NULL::VARCHAR AS phone_keys FROM read_parquet($file))",
        {"file": str(file)},
    )
    ((count,),) = con.execute("SELECT count(*) FROM contacts").fetchall()
    wall, cpu = time.perf_counter(), time.process_time()
    with matched(con, Wanted()) as work:
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        work.run(_JUDGED)
        true = work.value(_pairs("person", "contacts"))
        parts = []
        for name, of in (("all", "matching.judged"), ("sure", "(FROM matching.judged WHERE sure)")):
            found = work.value(_pairs("group_n", of))
            right = work.value(_pairs("group_n, person", of))
            parts.append(
                f"{name}: precision {right / found:.4f}, recall {right / true:.4f}, "
                f"F1 {2 * right / (found + true):.4f}"
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    each = cpu / count * 1e6
    return (
        (
            f"{count} contacts: {'; '.join(parts)}; {wall:.1f} s, {each:.0f} µs CPU per contact "
            f"(at most {BUDGET}), peak {peak} MB"
        ),
        each,
    )


def main() -> int:
    """Print the figures; return 1 when one is over budget."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", default=["100000"])
    parser.add_argument("--world", choices=_WORLDS, default="default")
    parser.add_argument("--memory", default="12GB", help="what DuckDB may use before it spills")
    given = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for size in given.sizes:
            file = Path(size)
            if size.isdecimal():
                file = Path(folder) / f"{size}.parquet"
                write(_WORLDS[given.world](), int(size), file)
            said, each = _measured(file, given.memory, Path(folder) / "spill")
            worst = max(worst, each)
            print(f"duplicates, {given.world} world, {said}", flush=True)
    return 0 if worst <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
