"""Pipedrive: contacts, consents, field updates, tasks, merging and archiving.

Importing this package costs nothing of the vendor's library; `connector.py` imports that.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from crm_steward.sdk import (
    KEPT,
    MAPPABLE,
    Capability,
    ConnectorSpec,
    CrmSettings,
    MergeHabits,
    Quota,
    Remedy,
)

DAILY = Quota(name="daily", calls=30_000, per=timedelta(days=1))
"""In tokens: what the smallest plan has for one seat."""
BURST = Quota(name="burst", calls=20, per=timedelta(seconds=2))
"""What the smallest plan allows an API token."""
_WAYS = (
    "give api_token, or client_id, client_secret and refresh_token; "
    "one of the two ways in, and all of it"
)


class PipedriveSettings(CrmSettings):
    """What a Pipedrive connection needs to be told.

    The account's own limits need no setting: they start at the smallest plan's and follow the
    headers of Pipedrive's answers.
    """

    kind: Literal["pipedrive"] = "pipedrive"
    api_token: SecretStr | None = None
    """A user's personal API token (40 characters)."""
    company: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] | None = None
    """The company's part of `https://….pipedrive.com`; wanted with an API token."""
    client_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Client id of an app of your own, for OAuth."""
    client_secret: SecretStr | None = None
    """Its secret."""
    refresh_token: SecretStr | None = None
    """The refresh token that its installation gave; it is replaced with every use."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        app = (self.client_id, self.client_secret, self.refresh_token)
        whole = all(app) if self.api_token is None else not any(app)
        if not whole:
            raise ValueError(_WAYS)
        return self


SPEC = ConnectorSpec(
    kind="pipedrive",
    title="Pipedrive",
    can=frozenset(
        {
            Capability.UPDATE,
            Capability.TASK,
            Capability.CLOSE_TASK,
            Capability.READ_TASK,
            Capability.SUPPRESS_EMAIL,
            Capability.MERGE,
            Capability.ARCHIVE,
            Capability.RECREATE,
            Capability.INCREMENTAL,
        }
    ),
    settings=PipedriveSettings,
    factory="crm_steward_pipedrive.connector:connect",
    requires=("pipedrive", "requests"),
    hosts=("pipedrive.com",),
    # Lite, one seat (pipedrive.readme.io/docs/core-api-concepts-rate-limiting).
    quotas=(BURST, DAILY),
    settle_after=timedelta(seconds=10),
    batch=1,
    sandbox="crm_steward_pipedrive.sandbox:PipedriveSandbox",
    credentials=("api_token",),
    merge_max=2,
    # A name and an address are one value each there, and taken over whole or not at all.
    merging=MergeHabits(
        fills=frozenset({"company", "job_title", "extra"}),
        unites=frozenset({"email", "phone", "mobile"}),
    ),
    # The company is an organisation, a record of its own.
    fixed=frozenset({"company"}),
    fields=frozenset(MAPPABLE) - set(KEPT) - {"language", "website", "source", "kind"}
    | {"consent_email", "consent_email_basis", "has_notes"},
    remedies={
        Capability.UNDELETE: Remedy(
            en="Pipedrive's API brings no person back: restore it in Pipedrive",
            fr="l'API de Pipedrive ne ramène aucune personne : la restaurer dans Pipedrive",
            within=timedelta(days=30),
        ),
        Capability.LIFT_EMAIL: Remedy(
            en="Pipedrive's API changes marketing_status once, and ignores what would take it back: "
            "let the person subscribe again",
            fr="l'API de Pipedrive ne change marketing_status qu'une fois, et ignore un retour en "
            "arrière : que la personne s'abonne à nouveau",
        ),
    },
    consent_sources=frozenset({"marketing_status", "doi_status"}),
    example="""\
# api_token: keep it out of this file, in secrets/ or in the environment
company: acme                     # https://acme.pipedrive.com
# fields:                         # ours → yours: the name on screen, or the 40-digit API key
#   language: Language
#   stage: Labels
# stages:
#   Customer: customer
# extra:                          # custom fields: the name your rules use → the name on screen
#   customer_number: Customer number
# consent:                        # where you keep the proof of consent
#   text_version: Consent wording
""",
    access=(
        (
            "In Pipedrive, as a user who sees all contacts: your name > Company settings > "
            "Personal preferences > API."
        ),
        (
            "Copy the personal API token it shows (40 characters), and the company's name in the "
            "address: https://<company>.pipedrive.com."
        ),
        "To narrow what it may do, give it a user of its own; an API token may do what its user may.",
    ),
)
