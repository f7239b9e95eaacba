"""Salesforce: under construction."""

from __future__ import annotations

from typing import Literal

from crm_steward.sdk import ConnectionSettings, ConnectorSpec


class SalesforceSettings(ConnectionSettings):
    """What a Salesforce connection needs to be told."""

    kind: Literal["salesforce"] = "salesforce"


SPEC = ConnectorSpec(
    kind="salesforce",
    title="Salesforce",
    can=frozenset(),
    settings=SalesforceSettings,
    factory="crm_steward_salesforce.connector:connect",
    requires=("simple_salesforce", "defusedxml"),
)
