"""HubSpot: contacts, consents, activity dates, field updates and tasks.

Importing this package costs nothing of HubSpot's library; `connector.py` imports that.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from crm_steward.sdk import Capability, ConnectionSettings, ConnectorSpec, DurationOrZero, Quota

PropertyName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,99}$")]
"""A property's internal name, as HubSpot writes it."""
FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
ProofPart = Literal["purpose", "given_at", "how", "text_version", "source", "evidence"]


class HubSpotSettings(ConnectionSettings):
    """What a HubSpot connection needs to be told.

    The account's own limits need no setting: they start at the smallest plan's and follow the
    headers of HubSpot's answers.
    """

    kind: Literal["hubspot"] = "hubspot"
    token: SecretStr
    """Service key, or static token of an existing private app (`pat-…`)."""
    overlap: DurationOrZero = timedelta(minutes=10)
    """How far each incremental read reaches back; covers the search index's delay."""
    search_lag: DurationOrZero = timedelta(seconds=120)
    """How long a change may stay invisible to search; `overlap` is never less than this."""
    extra: dict[FieldName, PropertyName] = Field(default_factory=dict)
    """Custom fields: the name that rules use (`extra.<name>`) → HubSpot's internal name."""
    consent: dict[ProofPart, PropertyName] = Field(default_factory=dict)
    """Properties that hold the proof of consent, which HubSpot has no fields for."""

    @property
    def custom_fields(self) -> frozenset[str]:
        """The custom fields that `extra` maps."""
        return frozenset(self.extra)


SPEC = ConnectorSpec(
    kind="hubspot",
    title="HubSpot",
    can=frozenset({Capability.UPDATE, Capability.TASK, Capability.INCREMENTAL}),
    settings=HubSpotSettings,
    factory="crm_steward_hubspot.connector:connect",
    requires=("hubspot", "urllib3"),
    hosts=("hubapi.com",),
    # Free and Starter; search is per account and shared by all apps
    # (developers.hubspot.com/docs/api/usage-details).
    quotas=(
        Quota(name="burst", calls=100, per=timedelta(seconds=10)),
        Quota(name="search", calls=5, per=timedelta(seconds=1)),
        Quota(name="daily", calls=250_000, per=timedelta(days=1)),
    ),
    settle_after=timedelta(seconds=10),
    batch=100,
    sandbox="crm_steward_hubspot.sandbox:HubSpotSandbox",
    example="""\
# token: keep it out of this file, in secrets/ or in the environment
# extra:                          # custom fields: the name your rules use → HubSpot's name
#   customer_number: kundennummer
# consent:                        # where you keep the proof of consent
#   text_version: consent_text_version
""",
    access=(
        "In HubSpot, as a super admin: Development > Keys (or Settings > Integrations) > service key.",
        "To read, tick: crm.objects.contacts.read, crm.schemas.contacts.read, crm.objects.owners.read.",
        "To write fixes and tasks, tick: crm.objects.contacts.write.",
        "Copy the token it shows (pat-…).",
    ),
)
