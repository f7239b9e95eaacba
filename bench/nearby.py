"""What a scan of changes costs that looks for duplicates of a few changed contacts in a large base.

    python bench/nearby.py [COUNT | FILE.parquet]… [--keep FOLDER]

makes the contacts with bench/population.py, or takes a file that it wrote; lets a whole scan keep
their keys; lets 1, 100 and 1,000 contacts change; and scans the changes, each in a process of its
own. With --keep the database stays in a folder and is used again.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
RULES = """\
version: 1
rules:
  - id: twice
    about: x
    check: {kind: duplicates, at_least: 0.5}
    mode: report
    every: scan
"""
CHANGED = (1, 100, 1_000)
BUDGET = 3.0
"""Milliseconds of CPU per changed contact, of a thousand."""


def book(folder: Path) -> Any:
    """Return the one rule."""
    from crm_steward.rules import load_rules

    (folder / "rules.yaml").write_text(RULES, "utf-8")
    return load_rules([folder / "rules.yaml"])


def fill(folder: Path, file: Path) -> None:
    """Store the contacts of a file as a pull would have, a month ago, and scan all of them."""
    import duckdb

    from crm_steward.model import COMPARED
    from crm_steward.scan import scan
    from crm_steward.store.columns import to_micros
    from crm_steward.store.database import Database
    from crm_steward.store.mirror import Mirror

    before = NOW - timedelta(days=30)
    with Database.open(f"sqlite:///{folder}/bench.db") as database:
        with duckdb.connect() as con, database.write() as writing:
            columns = con.execute(f"DESCRIBE FROM read_parquet('{file}')").fetchall()
            known = [
                "epoch_us(birth_date) AS birth_date" if name == "birth_date" else name
                for name, *_ in columns
                if name in COMPARED
            ]
            con.execute(
                f"SELECT connection, id, {', '.join(known)}, '' AS content, "
                "'' AS revision, 'lead' AS stage, 'unknown' AS kind, false AS has_notes, '[]' AS emails, "
                f"'[]' AS phones, '[]' AS consents, '{{}}' AS extra, {to_micros(before)} AS seen_at, "
                f"{to_micros(before)} AS changed_at, 0 AS absences FROM read_parquet('{file}')"
            )
            names = [column[0] for column in con.description or ()]
            raw = writing.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)  # noqa: S101 -- the bench itself
            raw.execute("PRAGMA cache_size = -200000")
            insert = (
                f"INSERT INTO contacts ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
            )
            while batch := con.fetchmany(10_000):
                raw.executemany(insert, batch)
            found = raw.execute("SELECT DISTINCT connection FROM contacts").fetchall()
        for (name,) in found:
            Mirror(database).note(name, "file", last_full_at=before)
        wall, cpu = time.perf_counter(), time.process_time()
        scan(database, book(folder), clock=lambda: NOW)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak}))


def change(folder: Path, count: int, round_: int) -> None:
    """Let contacts change: each takes over the name or the number of another, or loses one."""
    from crm_steward.scan import scan
    from crm_steward.store.columns import to_micros
    from crm_steward.store.database import Database

    now = NOW + timedelta(hours=round_ + 1)
    with Database.open(f"sqlite:///{folder}/bench.db") as database:
        with database.write() as writing:
            writing.exec_driver_sql(
                "UPDATE contacts SET changed_at = ?, "
                "phone_key = CASE rowid % 3 WHEN 0 THEN NULL WHEN 1 THEN (SELECT o.phone_key "
                "FROM contacts o WHERE o.rowid = contacts.rowid + 1) ELSE phone_key END, "
                "last_name_key = CASE rowid % 3 WHEN 2 THEN (SELECT o.last_name_key "
                "FROM contacts o WHERE o.rowid = contacts.rowid + 1) ELSE last_name_key END "
                "WHERE rowid % (SELECT count(*) / ? FROM contacts) = ?",
                (to_micros(now), count, round_),
            )
        rules = book(folder)
        figures = []
        for minute in (1, 2):
            wall, cpu = time.perf_counter(), time.process_time()
            done = scan(
                database,
                rules,
                clock=lambda minute=minute: now + timedelta(minutes=minute),
                changed=True,
            )
            figures += [time.perf_counter() - wall, time.process_time() - cpu]
        assert not done.waiting  # noqa: S101 -- the bench itself
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    names = ("wall", "cpu", "wall_again", "cpu_again")
    contacts = done.contacts
    print(
        json.dumps({**dict(zip(names, figures, strict=True)), "peak": peak, "contacts": contacts})
    )


def _here(*arguments: str) -> dict[str, float]:
    command = [sys.executable, __file__, *arguments]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures: dict[str, float] = json.loads(answer)
    return figures


def measured(folder: Path, base: str) -> bool:
    """Print the figures of one base; return whether it kept to its budget."""
    if not (folder / "bench.db").exists():
        file = Path(base)
        if base.isdecimal():
            from world import World, write

            file = folder / "contacts.parquet"
            write(World(), int(base), file)
        figures = _here("--fill", str(folder), str(file))
        print(
            f"duplicates, a whole scan that keeps keys of {base}: {figures['wall']:.1f} s, "
            f"{figures['cpu']:.1f} s CPU, peak {figures['peak']:.0f} MB, "
            f"database {(folder / 'bench.db').stat().st_size / 1e6:.0f} MB"
        )
    last = 0.0
    for round_, count in enumerate(CHANGED):
        figures = _here("--change", str(folder), str(count), str(round_))
        last = figures["cpu"] * 1000 / figures["contacts"]
        print(
            f"duplicates of {figures['contacts']:.0f} changed contacts among {base}: "
            f"{figures['wall']:.3f} s ({figures['wall_again']:.3f} s again), "
            f"{figures['cpu']:.3f} s CPU ({figures['cpu_again']:.3f} s again), peak {figures['peak']:.0f} MB"
        )
    return last <= BUDGET


def main() -> int:
    """Print the figures of each base."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bases", nargs="*", default=["100000"])
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--fill", nargs=2)
    parser.add_argument("--change", nargs=3)
    given = parser.parse_args()
    if given.fill:
        fill(Path(given.fill[0]), Path(given.fill[1]))
    elif given.change:
        change(Path(given.change[0]), int(given.change[1]), int(given.change[2]))
    else:
        kept = []
        for base in given.bases:
            folder = given.keep or Path(tempfile.mkdtemp())
            folder.mkdir(parents=True, exist_ok=True)
            try:
                kept.append(measured(folder, base))
            finally:
                if not given.keep:
                    shutil.rmtree(folder)
        return not all(kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())
