"""An office to try the command line in: settings, an emulated HubSpot, and what to find there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from crm_steward.sandbox import Server, serve
from crm_steward_hubspot.sandbox import HubSpotSandbox

Office = Callable[..., Path]


@pytest.fixture
def hubspot() -> Iterator[Server]:
    """Serve an emulated HubSpot with 150 invented people."""
    with serve(HubSpotSandbox(contacts=150, seed=3)) as server:
        yield server


@pytest.fixture
def office(tmp_path: Path, hubspot: Server) -> Office:
    """Write settings for the emulated HubSpot; keyword arguments replace whole blocks."""

    def write(**blocks: Any) -> Path:
        settings: dict[str, Any] = {
            "version": 1,
            "database": "sqlite:///steward.db",
            "connections": {
                "hubspot": {
                    "kind": "hubspot",
                    "token": HubSpotSandbox.TOKEN,
                    "base_url": hubspot.url,
                    "country": "FR",
                }
            },
            "limits": {"max_percent_per_day": 100},
        }
        path = tmp_path / "crm-steward.yaml"
        path.write_text(yaml.safe_dump(settings | blocks), "utf-8")
        path.chmod(0o600)
        return path

    return write


@dataclass(frozen=True)
class Account:
    """What stands in the emulated HubSpot."""

    server: Server

    @property
    def contacts(self) -> dict[str, dict[str, Any]]:
        """Record id → record, as HubSpot holds it."""
        contacts: dict[str, dict[str, Any]] = self.server.emulator.state()["tables"]["contacts"]
        return contacts

    @property
    def summary(self) -> dict[str, Any]:
        """Counts, tasks by marker, doubled tasks."""
        summary: dict[str, Any] = self.server.emulator.summary()
        return summary

    def writes(self) -> list[str]:
        """Return every call that could have changed something."""
        reading = ("/search", "/batch/read", "/access-token-info")
        return [
            f"{call['method']} {call['path']}"
            for call in self.server.log
            if call["method"] != "GET" and not call["path"].endswith(reading)
        ]


@pytest.fixture
def account(hubspot: Server) -> Account:
    """Give a look into the emulated HubSpot."""
    return Account(hubspot)
