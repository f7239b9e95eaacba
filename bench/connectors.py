"""What each connector costs, against an emulator of its CRM in a process of its own.

For each CRM: CPU per contact of reading through the connector, against a bare loop over the
vendor's library that keeps nothing; calls made as a share of what the vendor allows, at full share,
with the emulator enforcing its limits, and how many it refused; and the peak memory of a whole pull
into SQLite, small and large.

    .venv/bin/python bench/connectors.py [KIND …] [--large 100000]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
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
    short = [
        quota
        for quota in spec_of(connection["kind"]).quotas
        if not quota.daily and quota.name != "token"
    ]
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


def bare_hubspot(connection: dict[str, Any]) -> Iterator[Any]:
    """List every contact with hubspot-api-client, as its README does."""
    from hubspot import HubSpot

    from crm_steward_hubspot.mapping import STANDARD

    url = connection["base_url"]
    api = HubSpot(access_token=connection["token"], host=url, base_url=url).crm.contacts.basic_api
    wanted, after = list(STANDARD), None
    while True:
        try:
            page = api.get_page(limit=100, after=after, properties=wanted)
        except Exception as error:
            if getattr(error, "status", None) != 429:
                raise
            time.sleep(1)  # as a script would wait out the limit; it costs no CPU
            continue
        yield from page.results
        if not page.paging:
            return
        after = page.paging.next.after


def bare_salesforce(connection: dict[str, Any]) -> Iterator[Any]:
    """Query every contact with simple-salesforce."""
    import requests
    from simple_salesforce import Salesforce

    from crm_steward.connect.http import open_session

    url = connection["base_url"]
    host = url.removeprefix("http://")
    answer = requests.post(
        f"{url}/services/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(connection["client_id"], connection["client_secret"]),
        timeout=30,
    ).json()
    session = open_session(timedelta(seconds=60), plain=host)
    crm = Salesforce(
        instance_url=f"https://{host}",
        session_id=answer["access_token"],
        session=session,
        version="64.0",
    )
    names = (
        "Id, FirstName, LastName, Email, Phone, MobilePhone, Title, MailingStreet, MailingCity, "
        "MailingState, MailingPostalCode, MailingCountry, OwnerId, LeadSource, CreatedDate, "
        "LastModifiedDate, SystemModstamp, LastActivityDate, HasOptedOutOfEmail, DoNotCall"
    )
    return crm.query_all_iter(f"SELECT {names} FROM Contact ORDER BY Id")


def bare_zoho(connection: dict[str, Any]) -> Iterator[Any]:
    """List every contact with requests: there is no library fit for a service."""
    import requests

    url = connection["base_url"]
    form = {name: connection[name] for name in ("client_id", "client_secret", "refresh_token")}
    token = requests.post(
        f"{url}/oauth/v2/token", data={"grant_type": "refresh_token", **form}, timeout=30
    ).json()["access_token"]
    session = requests.Session()
    session.headers["Authorization"] = f"Zoho-oauthtoken {token}"
    names = (
        "First_Name,Last_Name,Email,Secondary_Email,Phone,Mobile,Title,Mailing_Street,Mailing_City,"
        "Mailing_State,Mailing_Zip,Mailing_Country,Owner,Lead_Source,Created_Time,Modified_Time,"
        "Last_Activity_Time,Email_Opt_Out"
    )
    params = {"fields": names, "per_page": "200", "sort_by": "id", "sort_order": "asc"}
    while True:
        answer = session.get(f"{url}/crm/v8/Contacts", params=params, timeout=60).json()
        yield from answer["data"]
        if not answer["info"]["more_records"]:
            return
        params["page_token"] = answer["info"]["next_page_token"]


def bare_pipedrive(connection: dict[str, Any]) -> Iterator[Any]:
    """List every person with pipedrive-python-lib, moved to version 2 of the API."""
    from pipedrive.client import Client

    client = Client(domain=connection["base_url"])
    client.BASE_URL = f"{connection['base_url']}/api/v2/"
    params: dict[str, Any] = {"limit": 500, "sort_by": "id", "sort_direction": "asc"}
    while True:
        answer = client._get(  # noqa: SLF001 -- its only way to send a header
            client.BASE_URL + "persons",
            params=params,
            headers={"x-api-token": connection["api_token"]},
        )
        if not answer.get("success"):
            time.sleep(1)
            continue
        yield from answer["data"]
        params["cursor"] = answer["additional_data"]["next_cursor"]
        if not params["cursor"]:
            return


BARE: dict[str, Callable[[dict[str, Any]], Iterator[Any]]] = {
    "hubspot": bare_hubspot,
    "salesforce": bare_salesforce,
    "zoho": bare_zoho,
    "pipedrive": bare_pipedrive,
}
MEASURES = {"read": measure_read, "bare": measure_bare, "pull": measure_pull}


def measured(measure: str, connection: dict[str, Any]) -> dict[str, float]:
    """Measure in a process of its own, so that nothing is loaded or held already."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure", measure, json.dumps(connection)],
        check=True,
        capture_output=True,
        text=True,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])  # above it: log lines
    return figures


def show(kind: str, large: int) -> None:
    """Print the figures of one CRM."""
    with emulated(kind, SMALL) as connection:
        bare, read = measured("bare", connection), measured("read", connection)
    print(
        f"{kind:10} {read['contacts']:>7,.0f} contacts  read {read['ms']:.3f} ms CPU each, "
        f"bare library {bare['ms']:.3f} ms: ratio {read['ms'] / bare['ms']:.2f}"
    )
    peaks = []
    for size in (SMALL, large):
        with emulated(kind, size) as connection:
            read, pull = measured("read", connection), measured("pull", connection)
        peaks.append(pull["peak_mb"])
        rate = f", {read['share']:.0%} of the allowed rate" if read["share"] else ""
        print(
            f"{kind:10} {size:>7,} contacts  {read['calls']:,.0f} calls in {read['wall']:.0f} s{rate}, "
            f"{read['refused']:.0f} refused; pull {pull['ms']:.3f} ms CPU each, "
            f"peak {pull['peak_mb']:.0f} MB (start {pull['before_mb']:.0f} MB)"
        )
    print(
        f"{kind:10} peak memory at {large:,} / {SMALL:,}: {peaks[1] / peaks[0]:.2f} (flat: ≤ 1.2)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure, connection = given.measure
        print(json.dumps(MEASURES[measure](json.loads(connection))))
    else:
        for kind in given.kinds:
            show(kind, given.large)
