"""Zoho CRM: under construction."""

from __future__ import annotations

from typing import Literal

from crm_steward.sdk import ConnectionSettings, ConnectorSpec


class ZohoSettings(ConnectionSettings):
    """What a Zoho CRM connection needs to be told."""

    kind: Literal["zoho"] = "zoho"


SPEC = ConnectorSpec(
    kind="zoho",
    title="Zoho CRM",
    can=frozenset(),
    settings=ZohoSettings,
    factory="crm_steward_zoho.connector:connect",
    requires=(),
)
