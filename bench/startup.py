"""How long `crm-steward --help` takes, against the bare interpreter, and what it must not import.

Figure: ≤ 0.5 s (median of ten), no vendor SDK, no database, no DuckDB.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

HEAVY = (
    "hubspot",
    "sqlalchemy",
    "duckdb",
    "pyarrow",
    "jinja2",
    "alembic",
    "openpyxl",
    "apscheduler",
)


def seconds(*command: str) -> float:
    """Return the median wall time of ten runs, in seconds."""
    times = []
    for _ in range(11):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def imported() -> list[str]:
    """Return which of the heavy modules `--help` imports."""
    script = (
        "import sys\nfrom crm_steward.cli import main\nsys.argv = ['crm-steward', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return done.stderr.split()


if __name__ == "__main__":
    floor = seconds(sys.executable, "-c", "pass")
    helping = seconds(sys.executable, "-m", "crm_steward", "--help")
    print(
        f"startup: crm-steward --help {helping:.2f} s (≤ 0.5), bare interpreter {floor:.2f} s, ",
        end="",
    )
    print(f"ratio {helping / floor:.1f}; heavy modules imported: {imported() or 'none'}")
