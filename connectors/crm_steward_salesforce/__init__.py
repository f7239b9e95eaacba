"""Salesforce: contacts, consents, activity, field updates, tasks, opt-outs, merges, the recycle bin.

Importing this package costs nothing of the Salesforce library; `wire.py` imports that.
"""

from __future__ import annotations

from datetime import timedelta

from crm_steward.sdk import KEPT, MAPPABLE, Capability, ConnectorSpec, Quota
from crm_steward_salesforce.settings import HOSTS, SalesforceSettings, Way

__all__ = ["SPEC", "SalesforceSettings", "Way"]

SPEC = ConnectorSpec(
    kind="salesforce",
    title="Salesforce",
    can=frozenset(
        {
            Capability.UPDATE,
            Capability.CONDITIONAL_UPDATE,
            Capability.TASK,
            Capability.CLOSE_TASK,
            Capability.READ_TASK,
            Capability.SUPPRESS_EMAIL,
            Capability.SUPPRESS_PHONE,
            Capability.LIFT_EMAIL,
            Capability.LIFT_PHONE,
            Capability.MERGE,
            Capability.ARCHIVE,
            Capability.UNDELETE,
            Capability.UNMERGE,
            Capability.INCREMENTAL,
        }
    ),
    settings=SalesforceSettings,
    factory="crm_steward_salesforce.connector:connect",
    requires=("simple_salesforce", "defusedxml"),
    hosts=HOSTS,
    # The smallest org's, in any 24 hours; answers state the org's own (Sforce-Limit-Info).
    # There is no published limit per second, only on calls that take longer than 20 seconds.
    quotas=(Quota(name="daily", calls=15_000, per=timedelta(days=1)),),
    # A request that we gave up on may still be at work in the org's own automation.
    settle_after=timedelta(seconds=60),
    batch=200,
    sandbox="crm_steward_salesforce.sandbox:SalesforceSandbox",
    example="""\
domain: mycompany.my            # the org's My Domain, of a sandbox mycompany--uat.sandbox.my
client_id: 3MVG9...             # consumer key of the External Client App
# client_secret: keep it out of this file, in secrets/ or in the environment
# sandbox: true                 # the org is a sandbox
# fields:                       # what contacts have no standard field for
#   stage: Stage__c
#   language: Language__c
# stages:
#   Active: customer
# extra:                        # custom fields: the name your rules use → the API name
#   customer_number: Customer_Number__c
# consent:                      # where you keep the proof of consent, if not in ContactPointTypeConsent
#   text_version: Consent_Text__c
""",
    access=(
        "In Salesforce, as an administrator: Setup > External Client App Manager > New.",
        "Enable OAuth with the scope 'Manage user data via APIs (api)' and the Client Credentials Flow.",
        "Choose as Run As user one with API Enabled, and Read, Edit and Delete on all contacts.",
        "Copy the consumer key (client_id) and the consumer secret (client_secret).",
        "Write your My Domain into domain: mycompany.my.",
    ),
    credentials=("client_secret",),
    merge_max=3,
    undeletes_within=timedelta(days=15),
    # The company is an account, a record of its own.
    fixed=frozenset({"company"}),
    fields=frozenset(MAPPABLE)
    - set(KEPT)
    - {"full_name", "language", "website", "stage", "kind"}
    | {"consent_email", "consent_sms", "consent_phone", "consent_post", "email_status"}
    | {f"consent_{way}_{part}" for way in ("email", "phone") for part in ("given_at", "how")},
    # Whose objections count (`IndividualId`) is as good as the objections.
    consent_sources=frozenset(
        {
            "HasOptedOutOfEmail", "HasOptedOutOfFax", "DoNotCall", "IndividualId", "Individual.*",
            "IsEmailBounced", "EmailBouncedDate", "EmailBouncedReason",
        }
    ),
)  # fmt: skip
