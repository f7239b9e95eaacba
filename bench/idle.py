"""What the service takes when there is nothing to do: memory, and CPU over a minute.

`crm-steward run` as ops start it, with the packs that run by default, on one emulated HubSpot that
this process serves, after its first pull, scan and round of writing, while nothing is due.
`MALLOC_ARENA_MAX=2`, as in `deploy/`. Figures: ≤ 150 MB resident, ≤ 1 % of one core. Run it alone:

    python bench/idle.py [--contacts 2000] [--seconds 60]
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
import yaml

from crm_steward.sandbox import serve
from crm_steward_hubspot.sandbox import HubSpotSandbox

_FIRST = ("pull", "scan", "apply", "purge", "report")
"""Verbs that run at the start; then nothing is due for minutes."""
_HELD = ("VmRSS", "RssAnon", "RssFile", "VmHWM")
_PATIENCE_SECONDS = 300


def settle(port: int) -> None:
    """Wait until each job of the start has come to its end, and nothing more is called for."""
    deadline, before = time.monotonic() + _PATIENCE_SECONDS, -1.0
    while time.monotonic() < deadline:
        time.sleep(5)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            page = answer.read().decode()
        found = re.findall(
            r'^crm_steward_job_runs_total\{.*verb="([\w-]+)"\} (\S+)', page, re.MULTILINE
        )
        ran = sum(float(count) for _, count in found)
        if {verb for verb, _ in found} >= set(_FIRST) and ran == before:
            return
        before = ran
    raise SystemExit("the jobs of the start did not come to an end")


def measure(contacts: int, seconds: int) -> dict[str, float]:
    """Return memory at the end in MB, the peak, and CPU seconds spent while nothing was due."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(HubSpotSandbox(contacts=contacts, seed=7)) as crm,
    ):
        path = Path(folder, "crm-steward.yaml")
        mail = {"host": "127.0.0.1", "port": 9, "security": "none", "sender": "s@example.com"}
        settings = {
            "version": 1,
            "database": "sqlite:///steward.db",
            "connections": {"hubspot": {"kind": "hubspot", **crm.emulator.connection(crm.url)}},
            "mail": mail,
            "report": {"alerts": ["ops@example.com"]},
            "service": {"listen": f"127.0.0.1:{port}"},
        }
        path.write_text(yaml.safe_dump(settings), "utf-8")
        path.chmod(0o600)
        process = subprocess.Popen(
            [sys.executable, "-m", "crm_steward", "run"],
            cwd=folder,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "MALLOC_ARENA_MAX": "2"},
        )
        try:
            time.sleep(5)
            settle(port)
            watched = psutil.Process(process.pid)
            before, begun = watched.cpu_times(), time.monotonic()
            time.sleep(seconds)
            after, passed = watched.cpu_times(), time.monotonic() - begun
            status = Path(f"/proc/{process.pid}/status").read_text("ascii")
        finally:
            process.terminate()
            process.wait()
    used = after.user + after.system - before.user - before.system
    lines = dict(line.split(":", 1) for line in status.splitlines())
    held = {name: int(lines[name].split()[0]) / 1024 for name in _HELD}  # proc(5): in kB
    return {**held, "cpu": used, "passed": passed}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    got = measure(given.contacts, given.seconds)
    print(
        f"idle: {given.contacts:,} contacts, {got['VmRSS']:.0f} MB resident (≤ 150), of it "
        f"{got['RssFile']:.0f} mapped files and {got['RssAnon']:.0f} its own, peak "
        f"{got['VmHWM']:.0f} MB; {got['cpu']:.2f} s CPU in {got['passed']:.0f} s: "
        f"{got['cpu'] / got['passed']:.2%} of a core (≤ 1 %)"
    )
