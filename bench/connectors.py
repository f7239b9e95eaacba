"""What each connector costs, against an emulator of its CRM in a process of its own.

For each CRM: CPU per contact of reading through the connector, against a bare loop over the
vendor's library that keeps nothing; calls made as a share of what the vendor allows, at full share,
with the emulator enforcing its limits, and how many it refused; and the peak memory of a whole pull
into SQLite, small and large.

    .venv/bin/python bench/connectors.py [KIND …] [--large 100000]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

KINDS = ("hubspot", "salesforce", "zoho", "pipedrive")
SMALL = 10_000
SEED = 7


@contextmanager
def emulated(kind: str, contacts: int) -> Iterator[dict[str, Any]]:
    """Serve the CRM in another process; gives the settings of a connection."""
    command = [sys.executable, "-m", "crm_steward", "sandbox", "serve", "--kind", kind, "--json"]
    options = ["--port", "0", "--contacts", str(contacts), "--seed", str(SEED)]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield json.loads(process.stdout.readline() if process.stdout else "")["connection"]
        finally:
            process.terminate()


def opened(connection: dict[str, Any]) -> tuple[Any, Any]:
    """Open the connection at the full share of the vendor's limits; gives it and its calls."""
    from crm_steward.connect.discovery import open_connection, paced_calls, spec_of

    spec = spec_of(connection["kind"])
    shares = {"burst_share": 1.0, "daily_share": 1.0}
    settings = spec.settings.model_validate({**connection, **shares})
    calls = paced_calls("bench", settings)
    return open_connection("bench", settings, calls=calls), calls


def measure_read(connection: dict[str, Any]) -> dict[str, float]:
    """Read everything through the connector: CPU, wall, calls, refusals."""
    from crm_steward.connect.discovery import spec_of

    connector, calls = opened(connection)
    with closing(connector):
        connector.check()
        cpu, wall = time.process_time(), time.monotonic()
        read = sum(len(page.contacts) for page in connector.read(None))
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    stats = calls.stats
    short = [quota for quota in spec_of(connection["kind"]).quotas if not quota.daily]
    paces = {name: calls._paces[name].quota for name in stats if name in calls._paces}  # noqa: SLF001 -- what the answers said
    shares = [
        stats[quota.name].calls
        / (max(wall / paces[quota.name].per.total_seconds(), 1) * paces[quota.name].calls)
        for quota in short
        if quota.name in stats
    ]
    return {
        "contacts": read,
        "ms": cpu / read * 1000,
        "wall": wall,
        "calls": sum(one.calls for one in stats.values()),
        "refused": sum(one.refused for one in stats.values()),
        "share": max(shares, default=0.0),
    }


def measure_bare(connection: dict[str, Any]) -> dict[str, float]:
    """Read everything with the vendor's library alone, at whatever pace it takes."""
    cpu = time.process_time()
    read = sum(1 for _ in BARE[connection["kind"]](connection))
    return {"ms": (time.process_time() - cpu) / read * 1000}


def measure_pull(connection: dict[str, Any]) -> dict[str, float]:
    """Pull everything into a fresh SQLite file: peak memory of this process."""
    from crm_steward.model import utc_now
    from crm_steward.pull import pull
    from crm_steward.store.database import Database

    connector, _ = opened(connection)
    with (
        closing(connector),
        tempfile.TemporaryDirectory() as folder,
        Database.open(f"sqlite:///{folder}/b.db") as database,
    ):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        cpu = time.process_time()
        done = pull(database, "bench", connection["kind"], connector, clock=utc_now)
        cpu = time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "live": done.live,
        "ms": cpu / done.read * 1000,
        "peak_mb": peak / 1024,
        "before_mb": before / 1024,
    }


def _bare_hubspot(connection: dict[str, Any]) -> Iterator[Any]:
    from hubspot import HubSpot

    from crm_steward_hubspot.mapping import STANDARD

    url = connection["base_url"]
    api = HubSpot(access_token=connection["token"], host=url, base_url=url).crm.contacts.basic_api
    after = None
    while True:
        page = _patiently(
            lambda mark=after: api.get_page(limit=100, after=mark, properties=list(STANDARD))
        )
        yield from page.results
        if not page.paging:
            return
        after = page.paging.next.after


def _bare_requests(connection: dict[str, Any]) -> Iterator[Any]:
    raise NotImplementedError


def _patiently(call: Callable[[], Any]) -> Any:
    """Wait out the vendor's limit as a script would; waiting costs no CPU."""
    while True:
        try:
            return call()
        except Exception as error:
            if getattr(error, "status", None) != 429:
                raise
            time.sleep(1)


BARE: dict[str, Callable[[dict[str, Any]], Iterator[Any]]] = {"hubspot": _bare_hubspot}
