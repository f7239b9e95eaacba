"""Pipedrive: under construction."""

from __future__ import annotations

from typing import Literal

from crm_steward.sdk import ConnectionSettings, ConnectorSpec


class PipedriveSettings(ConnectionSettings):
    """What a Pipedrive connection needs to be told."""

    kind: Literal["pipedrive"] = "pipedrive"


SPEC = ConnectorSpec(
    kind="pipedrive",
    title="Pipedrive",
    can=frozenset(),
    settings=PipedriveSettings,
    factory="crm_steward_pipedrive.connector:connect",
    requires=("pipedrive",),
)
