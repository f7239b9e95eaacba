"""HubSpot: contacts, consents, activity dates; updates, tasks, opt-outs, merges, archiving.

Importing this package costs nothing of HubSpot's library; `connector.py` imports that.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticKnownError

from crm_steward.sdk import (
    KEPT,
    MAPPABLE,
    CanonicalField,
    Capability,
    ConnectorSpec,
    CrmSettings,
    DurationOrZero,
    FieldName,
    MergeHabits,
    ProofPart,
    Quota,
    Remedy,
)

PropertyName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,99}$")]
"""A property's internal name, as HubSpot writes it."""

_APP = ("client_id", "client_secret", "refresh_token")


class HubSpotSettings(CrmSettings):
    """What a HubSpot connection needs to be told.

    There are two ways in: `token` alone, or `client_id`, `client_secret` and `refresh_token` of an
    app that was installed in the account by OAuth. The account's own limits need no setting: they
    start at the smallest plan's and follow the headers of HubSpot's answers.
    """

    kind: Literal["hubspot"] = "hubspot"
    client_id: Annotated[str, Field(pattern=r"^[!-~]*$")] = ""
    """Of an app that was installed by OAuth, instead of `token`: its client id."""
    client_secret: SecretStr | None = None
    """The app's client secret."""
    refresh_token: SecretStr | None = None
    """The refresh token that installing the app in this account brought."""
    token: Annotated[SecretStr | None, Field(validate_default=True)] = None
    """Service key, or static token of an existing private app (`pat-…`)."""
    search_lag: DurationOrZero = timedelta(seconds=120)
    """How long a change may stay invisible to search; `overlap` is never less than this."""
    fields: dict[CanonicalField, PropertyName] = Field(default_factory=dict)
    """Where a field of ours is kept in this account, if not in HubSpot's own property."""
    extra: dict[FieldName, PropertyName] = Field(default_factory=dict)
    """Custom fields: the name that rules use (`extra.<name>`) → HubSpot's internal name."""
    consent: dict[ProofPart, PropertyName] = Field(default_factory=dict)
    """Properties that hold the proof of consent, which HubSpot has no fields for."""

    @field_validator("token")
    @classmethod
    def _some_way_in(cls, token: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if token is None and not any(info.data.get(name) for name in _APP):
            raise PydanticKnownError("missing")
        return token

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        given = [name for name in _APP if getattr(self, name)]
        if self.token and given:
            raise ValueError(f"give token, or {', '.join(_APP)}, but not both")
        missing = [name for name in _APP if name not in given]
        if given and missing:
            raise ValueError(f"an app installed by OAuth needs {' and '.join(missing)} as well")
        return self


SPEC = ConnectorSpec(
    kind="hubspot",
    title="HubSpot",
    can=frozenset(
        {
            Capability.UPDATE,
            Capability.TASK,
            Capability.CLOSE_TASK,
            Capability.READ_TASK,
            Capability.SUPPRESS_EMAIL,
            Capability.MERGE,
            Capability.ARCHIVE,
            Capability.INCREMENTAL,
        }
    ),
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
    # Blanks are filled; of numbers there is one, of e-mail addresses as many as there are
    # (knowledge.hubspot.com/records/merge-records).
    merging=MergeHabits(fills=frozenset({*MAPPABLE, "extra"}), unites=frozenset({"email"})),
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
        "To write fixes and tasks, merge and archive, tick: crm.objects.contacts.write.",
        "To unsubscribe, tick: communication_preferences.read_write.",
        "Copy the token it shows (pat-…).",
    ),
    credentials=("token",),
    merge_max=2,
    remedies={
        Capability.UNMERGE: Remedy(
            en="HubSpot takes no merge back, and keeps the other records' addresses with the survivor; "
            "what each held is in the journal (crm-steward journal --json)",
            fr="HubSpot ne défait aucune fusion, et garde les adresses des autres fiches avec celle qui "
            "reste ; ce que portait chacune est dans le journal (crm-steward journal --json)",
        ),
        Capability.UNDELETE: Remedy(
            en="HubSpot's API brings no contact back: restore it in HubSpot",
            fr="l'API de HubSpot ne ramène aucun contact : le restaurer dans HubSpot",
            within=timedelta(days=90),
        ),
        Capability.LIFT_EMAIL: Remedy(
            en="HubSpot keeps the opt-out with the address, and its API would only subscribe the "
            "person anew, a consent that nobody gave: let the person subscribe again",
            fr="HubSpot garde l'opposition avec l'adresse, et son API ne ferait qu'abonner à nouveau "
            "la personne, un consentement que nul n'a donné : que la personne s'abonne à nouveau",
        ),
    },
    # "Opt-outs hang on the address and not on the contact": see consents.py.
    keeps_optouts=True,
    fields=frozenset(MAPPABLE) - set(KEPT) - {"full_name", "kind"}
    | {"last_mailed_at", "consent_email", "consent_email_basis", "email_status", "has_notes"},
    consent_sources=frozenset(
        {
            "hs_legal_basis", "hs_email_optout", "hs_email_optout_*", "hs_email_bounce",
            "hs_email_hard_bounce_reason_enum", "hs_email_bad_address", "hs_email_quarantined*",
            "hs_marketable_*",
        }
    ),
)  # fmt: skip
