"""Time and memory of the weekly report: 100,000 contacts and 20,000 findings that stand.

The contacts are those of `bench/rules.py`. A scan with the packs that run by default finds more than
20,000; of each rule an equal share is kept. The command is measured as a process of its own, from
its start to its end, in CPU seconds too: those do not depend on who else uses the machine. Run it alone:

    python bench/report.py [--contacts 100000] [--findings 20000]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from rules import NOW, fill

if TYPE_CHECKING:
    from crm_steward.store.database import Database

_FORMATS = ("text", "html", "json", "csv", "xlsx")


def prepare(folder: Path, contacts: int, findings: int) -> None:
    """Write settings, and store invented contacts and what stands about them."""
    from crm_steward.daemon.rulebook import read_rules
    from crm_steward.scan import scan
    from crm_steward.settings import load_settings
    from crm_steward.store.database import Database
    from crm_steward_hubspot.sandbox import HubSpotSandbox
    from crm_steward_zoho.sandbox import ZohoSandbox

    made = {
        "hubspot-eu": ("hubspot", HubSpotSandbox(contacts=1, seed=7)),
        "zoho-fr": ("zoho", ZohoSandbox(contacts=1, seed=7)),
    }
    nowhere = "http://127.0.0.1:9"
    settings = {
        "version": 1,
        "database": "sqlite:///bench.db",
        "connections": {
            name: {"kind": kind, **crm.connection(nowhere)} for name, (kind, crm) in made.items()
        },
        "report": {"recipients": ["crm@example.com"]},
    }
    path = folder / "crm-steward.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    path.chmod(0o600)
    with Database.open(f"sqlite:///{folder}/bench.db") as database:
        fill(database, contacts)
        scan(database, read_rules(load_settings(path)), clock=lambda: NOW)
        keep(database, findings)


def keep(database: Database, findings: int) -> None:
    """Keep so many findings, of each rule an equal share."""
    with database.write() as writing:
        found = writing.exec_driver_sql("SELECT count(*) FROM findings").scalar_one()
        writing.exec_driver_sql(
            "CREATE TEMP TABLE surplus AS SELECT fingerprint FROM ("
            "SELECT fingerprint, percent_rank() OVER (PARTITION BY rule ORDER BY fingerprint) AS r "
            "FROM findings) ORDER BY r LIMIT -1 OFFSET ?",
            (findings,),
        )
        for table in ("finding_refs", "findings"):
            writing.exec_driver_sql(
                f"DELETE FROM {table} WHERE fingerprint IN (SELECT fingerprint FROM surplus)"
            )
        left = writing.exec_driver_sql("SELECT count(*) FROM findings").scalar_one()
    print(f"  {found:,} found, {left:,} kept", file=sys.stderr)


def measure(folder: Path, form: str) -> dict[str, float]:
    """Write the report; return wall and CPU seconds, and peak memory in MB, of that process."""
    out = folder / f"report.{form}"
    command = [sys.executable, "-m", "crm_steward", "report", "--format", form, "--out", str(out)]
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    if status or not out.stat().st_size:
        raise SystemExit(f"no report was written as {form}")
    return {
        "wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss / 1024,
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--findings", type=int, default=20_000)
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.prepare:
        prepare(given.prepare, given.contacts, given.findings)
        raise SystemExit
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        # Not in this process: Linux counts what a parent held as a peak of its children.
        again = [sys.executable, __file__, "--prepare", name]
        again += ["--contacts", str(given.contacts), "--findings", str(given.findings)]
        subprocess.run(again, check=True)
        for kind in _FORMATS:
            got = measure(here, kind)
            print(
                f"report: {given.contacts:,} contacts, {given.findings:,} findings, {kind}: "
                f"{got['cpu']:.1f} s CPU (≤ 5), {got['wall']:.1f} s, peak {got['peak']:.0f} MB (≤ 300)"
            )
