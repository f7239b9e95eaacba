"""Another portal under the same name, from the command line: refused with a remedy, then accepted."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.acceptance.conftest import Account, Office
from tests.conftest import Cli

from crm_steward.sandbox import Server, serve
from crm_steward_hubspot.sandbox import HubSpotSandbox


class _OtherPortal(HubSpotSandbox):
    PORTAL = 4_711_000


@pytest.fixture
def other() -> Iterator[Server]:
    """Serve another portal, whose people have the same ids."""
    with serve(_OtherPortal(contacts=40, seed=9)) as server:
        yield server


def test_another_portals_address_writes_and_reads_nothing_until_it_is_said_to_be_right(
    steward: Cli, office: Office, account: Account, other: Server
) -> None:
    """The plan of the one is not written to the other; pull ends with 4 and the remedy, which works."""
    office()
    for command in ("pull", "scan", "plan"):
        assert steward(command).returncode == 0
    home = account.server.url
    moved = {"kind": "hubspot", "token": HubSpotSandbox.TOKEN, "base_url": other.url}
    office(connections={"hubspot": moved})

    applied = steward("apply", "--yes")
    assert applied.returncode == 4, applied.stdout
    pulled = steward("pull", "--full")
    assert pulled.returncode == 4
    for done in (applied, pulled):
        assert "this is account '4711000', but account '145000001' was read before" in done.stderr
        assert "pull --connection hubspot --new-account" in done.stderr
    assert {call["path"] for call in other.log} == {"/account-info/v3/details"}
    assert account.writes() == []

    assert steward("pull", "--new-account").returncode == 2
    accepted = steward("pull", "--connection", "hubspot", "--new-account", "--json")
    assert accepted.returncode == 0, accepted.stderr
    (counts,) = json.loads(accepted.stdout).values()
    assert (counts["live"], counts["frozen"], counts["full"]) == (40, "", True)
    assert "no plan" in steward("apply", "--yes").stderr  # it was for the other one
    office(connections={"hubspot": {**moved, "base_url": home}})
    assert steward("pull").returncode == 4
