"""Acme CRM: what a connection is told, and what the connector can do.

This module is imported whenever anybody asks which connectors there are, so it imports no library
of the vendor and opens nothing. `connector.py` is imported when a connection is opened.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import SecretStr

from crm_steward.sdk import KEPT, MAPPABLE, Capability, ConnectorSpec, CrmSettings, Quota


class AcmeSettings(CrmSettings):
    """What an Acme connection needs to be told, beside what all CRMs need."""

    kind: Literal["acme"] = "acme"
    client_id: str
    """Id of the API client, as Acme shows it."""
    client_secret: SecretStr
    """Its secret."""


SPEC = ConnectorSpec(
    kind="acme",
    title="Acme CRM",
    # Acme's people merge contacts on screen, but its API cannot: MERGE is not declared. Nor is
    # SUPPRESS_PHONE: Acme has no such switch.
    can=frozenset(
        {
            Capability.UPDATE,
            Capability.CONDITIONAL_UPDATE,
            Capability.TASK,
            Capability.CLOSE_TASK,
            Capability.READ_TASK,
            Capability.ARCHIVE,
            Capability.SUPPRESS_EMAIL,
            Capability.INCREMENTAL,
        }
    ),
    settings=AcmeSettings,
    factory="crm_steward_acme.connector:AcmeConnector",
    hosts=("acme.example",),
    # What rules may ask about without `fields:`, and what no rule may set.
    fields=frozenset(MAPPABLE) - set(KEPT) - {"full_name", "region", "language", "kind"}
    | {"consent_email"},
    consent_sources=frozenset({"mailing"}),
    quotas=(Quota(name="burst", calls=50, per=timedelta(seconds=10)),),
    sandbox="crm_steward_acme.sandbox:AcmeSandbox",
    example="""\
client_id: the id of your API client
# client_secret: keep it out of this file, in secrets/ or in the environment
""",
    access=(
        "In Acme, as an administrator: Settings > API > New client.",
        "Let it read and change contacts, and create and close tasks.",
        "Copy its id and its secret.",
    ),
)
