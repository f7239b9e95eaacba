"""Emulators of CRMs, served over real HTTP, for the demo and the tests.

In a test:

    from crm_steward.sandbox import serve
    from crm_steward_hubspot.sandbox import HubSpotSandbox

    with serve(HubSpotSandbox(contacts=2000, seed=7)) as server:
        ...                                  # point a connection's base_url at server.url
        server.emulator.by_hand({"do": "edit", "id": "101", "values": {"phone": ""}})
        server.faults.add(parse_faults({"path": "/tasks", "nth": 1, "reset": "after"}))

On the command line: `crm-steward sandbox serve --kind hubspot --contacts 2000 --seed 7`.

Whatever a vendor does not document is refused with 501. Connectors bring their own emulator,
built on `Emulator` and `Routes`, and name it in their spec.
"""

from __future__ import annotations

from crm_steward.sandbox.emulator import Emulator
from crm_steward.sandbox.faults import Fault, FaultScript, load_faults, parse_faults
from crm_steward.sandbox.person import ConsentState, Sighting
from crm_steward.sandbox.population import population
from crm_steward.sandbox.server import Server, serve
from crm_steward.sandbox.tables import Table
from crm_steward.sandbox.wire import Refusal, Request, Response, Route, Routes

__all__ = [
    "ConsentState",
    "Emulator",
    "Fault",
    "FaultScript",
    "Refusal",
    "Request",
    "Response",
    "Route",
    "Routes",
    "Server",
    "Sighting",
    "Table",
    "load_faults",
    "parse_faults",
    "population",
    "serve",
]
