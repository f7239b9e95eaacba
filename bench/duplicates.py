"""CPU time of finding duplicates by all levels, on a base with families, functions and placeholders.

Run it alone: `python bench/duplicates.py [CONTACTS]`.
"""

from __future__ import annotations

import random
import resource
import sys
import time

import duckdb
import pyarrow as pa

from crm_steward.matching import LEVELS, find_groups

BUDGET = 30
"""Microseconds of CPU per contact: 3 s for 100,000."""

_FIRST = ["jean", "marie", "pierre", "luc", "anne", "claire", "louis", "louise", "hans", "greta"]


def _contacts(count: int) -> pa.Table:
    """Return keyed contacts; one in three repeats another person's values, misspelt now and then."""
    chance = random.Random(7)  # noqa: S311 -- not a secret
    rows: list[dict[str, str | None]] = []
    for number in range(count):
        if rows and number % 3 == 0:
            row = {**rows[chance.randrange(len(rows))], "id": str(number)}
            if chance.random() < 0.5:
                row["email_key"] = None
            if chance.random() < 0.3:
                row["first_name_key"] = f"{row['first_name_key']}e"
            rows.append(row)
            continue
        first, last = chance.choice(_FIRST), f"dupont{chance.randrange(5_000)}"
        office = chance.random() < 0.05
        rows.append(
            {
                "connection": "crm",
                "id": str(number),
                "email_key": "info@example.com" if office else f"{first}{number}@example.com",
                "phone_key": f"+331{chance.randrange(count):08}",
                "mobile_key": None if office else f"+336{chance.randrange(count * 5):08}",
                "first_name_key": first,
                "last_name_key": last,
                "name_key": f"{last} {first}",
            }
        )
    return pa.Table.from_pylist(rows)


def main() -> int:
    """Print the figure; return 1 when it is over budget."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    con = duckdb.connect(config={"threads": 2})
    con.register("contacts", _contacts(count))
    wall, started = time.perf_counter(), time.process_time()
    found = find_groups(con, list(LEVELS))
    spent = (time.process_time() - started) / count * 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"duplicates: {spent:.1f} µs CPU per contact (at most {BUDGET}), {count} contacts, "
        f"{len(found.groups)} groups, {time.perf_counter() - wall:.1f} s, peak {peak} MB"
    )
    return 0 if spent <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
