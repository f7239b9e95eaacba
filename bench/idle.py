"""What the service takes when there is nothing to do: memory, and CPU over a minute; and what it took.

Scans are done by processes of their own, which end with them. Whatever process of the service is
left counts, here and in the figures; the peak of them all together, while they work, is told beside.

`crm-steward run` as ops start it, with the packs that run by default, on emulated CRMs that this
process serves, after its first pull and scan, while nothing is due.
`MALLOC_ARENA_MAX=2`, as in `deploy/`. Figures: ≤ 150 MB resident, ≤ 1 % of one core. Run it alone:

    python bench/idle.py [--contacts 2000] [--seconds 60] [--crms hubspot,salesforce,zoho,pipedrive]
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.error import URLError

import psutil
import yaml

from crm_steward.sandbox import Emulator, serve
from crm_steward_hubspot.sandbox import HubSpotSandbox
from crm_steward_pipedrive.sandbox import PipedriveSandbox
from crm_steward_salesforce.sandbox import SalesforceSandbox
from crm_steward_zoho.sandbox import ZohoSandbox

_CRMS: dict[str, Callable[..., Emulator]] = {
    "hubspot": HubSpotSandbox,
    "salesforce": SalesforceSandbox,
    "zoho": ZohoSandbox,
    "pipedrive": PipedriveSandbox,
}

_FIRST = ("pull", "scan", "apply", "purge", "report")
"""Verbs that run at the start; then nothing is due for minutes."""
_HELD = ("VmRSS", "RssAnon", "RssFile", "VmHWM")
_PATIENCE_SECONDS = 300
_CALM = 4
"""Looks, five seconds apart, at which nothing may have changed."""


def settle(port: int, service: psutil.Process) -> None:
    """Wait until each job of the start has come to its end, and nothing more is called for."""
    deadline, before, calm = time.monotonic() + _PATIENCE_SECONDS, -1.0, 0
    while time.monotonic() < deadline:
        time.sleep(5)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
                page = answer.read().decode()
        except URLError:  # it is still starting
            continue
        found = re.findall(
            r'^crm_steward_job_runs_total\{.*verb="([\w-]+)"\} (\S+)', page, re.MULTILINE
        )
        ran = sum(float(count) for _, count in found)
        still = {verb for verb, count in found if float(count)} >= set(_FIRST) and ran == before
        # A job may take longer than that: as long as it does, it has a process of its own.
        calm = calm + 1 if still and len(processes(service)) == 1 else 0
        if calm == _CALM:
            return
        before = ran
    raise SystemExit("the jobs of the start did not come to an end")


def measure(kinds: Sequence[str], contacts: int, seconds: int) -> dict[str, float]:
    """Return memory at the end in MB, its peaks, and CPU seconds spent while nothing was due."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as serving:
        crms = {
            kind: serving.enter_context(serve(_CRMS[kind](contacts=contacts, seed=7)))
            for kind in kinds
        }
        path = Path(folder, "crm-steward.yaml")
        mail = {"host": "127.0.0.1", "port": 9, "security": "none", "sender": "s@example.com"}
        settings = {
            "version": 1,
            "database": "sqlite:///steward.db",
            "connections": {
                kind: {"kind": kind, **crm.emulator.connection(crm.url)}
                for kind, crm in crms.items()
            },
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
            watched = psutil.Process(process.pid)
            with ThreadPoolExecutor(1) as beside:
                busy = threading.Event()
                peak = beside.submit(highest, watched, busy)
                try:
                    settle(port, watched)
                finally:
                    busy.set()
            before, begun = spent(watched), time.monotonic()
            time.sleep(seconds)
            after, passed = spent(watched), time.monotonic() - begun
            held = dict.fromkeys(_HELD, 0.0)
            for one in processes(watched):
                for name, megabytes in status(one.pid).items():
                    held[name] += megabytes
            left = len(processes(watched))
        finally:
            process.terminate()
            process.wait()
    return {**held, "cpu": after - before, "passed": passed, "left": left, "peak": peak.result()}


def processes(service: psutil.Process) -> list[psutil.Process]:
    """Return the service and every process that it has started and that still runs."""
    return [service, *service.children(recursive=True)]


def spent(service: psutil.Process) -> float:
    """Return the CPU seconds of the service, of the processes it has, and of those that ended."""
    own = service.cpu_times()
    others = [one.cpu_times() for one in processes(service)[1:]]
    ended = own.children_user + own.children_system
    return own.user + own.system + ended + sum(one.user + one.system for one in others)


def status(pid: int) -> dict[str, float]:
    """Return what a process holds, in MB."""
    text = Path(f"/proc/{pid}/status").read_text("ascii")
    lines = dict(line.split(":", 1) for line in text.splitlines())
    return {name: int(lines[name].split()[0]) / 1024 for name in _HELD}  # proc(5): in kB


def highest(service: psutil.Process, busy: threading.Event) -> float:
    """Return the most that the service and its processes held together, in MB, until `busy` is set."""
    most = 0.0
    while not busy.wait(0.1):
        held = 0
        for one in processes(service):
            try:
                held += one.memory_info().rss
            except psutil.NoSuchProcess:  # it has just ended
                continue
        most = max(most, held / 2**20)
    return most


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--crms", default="hubspot")
    given = parser.parse_args()
    got = measure(given.crms.split(","), given.contacts, given.seconds)
    print(
        f"idle: {given.crms}, {given.contacts:,} contacts each, {got['VmRSS']:.0f} MB resident (≤ 150), of it "
        f"{got['RssFile']:.0f} mapped files and {got['RssAnon']:.0f} its own, in "
        f"{got['left']:.0f} process, peak {got['VmHWM']:.0f} MB, with the processes of its scans "
        f"{got['peak']:.0f} MB; {got['cpu']:.2f} s CPU in {got['passed']:.0f} s: "
        f"{got['cpu'] / got['passed']:.2%} of a core (≤ 1 %)"
    )
