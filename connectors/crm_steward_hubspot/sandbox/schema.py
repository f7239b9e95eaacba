"""The emulated account's contact properties, task properties and owners.

Names, types and options follow HubSpot's default properties
(knowledge.hubspot.com, "HubSpot's default contact properties"); the `consent_*` ones are custom
properties of this invented account, made by its people to keep the proof of consent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEGAL_BASES = (
    "Legitimate interest \u2013 prospect/lead",
    "Legitimate interest \u2013 existing customer",
    "Legitimate interest - other",
    "Performance of a contract",
    "Freely given consent from contact",
    "Not applicable",
)
STAGES = (
    "subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity",
    "customer", "evangelist", "other",
)  # fmt: skip
"""In the order of HubSpot's own lifecycle; a merge keeps the furthest."""

QUARANTINE_REASONS = (
    "ON_LIST_IMPORT", "HIGH_HARD_BOUNCE_RATE", "MULTIPLE_CANCELLED_CAMPAIGNS", "FORM_ABUSE",
    "RECIPIENT_COMPLAINT", "SUSPENSION_REMEDIATION", "BLOCKLIST_REMEDIATION",
    "TRUST_SAFETY_REMEDIATION", "OTHER", "UNDELIVERABLE_ADDRESS",
)  # fmt: skip

OPTOUT = "hs_email_optout"
SUBSCRIPTIONS: Mapping[str, tuple[str, str]] = {
    "1": ("Marketing information", "Offers and news by e-mail"),
    "2": ("Product news", "What changes in the product"),
}
"""Kinds of e-mail one can subscribe to: id → (name, what it is)."""


@dataclass(frozen=True, slots=True)
class Property:
    """One property definition.

    Args:
        name: Internal name.
        label: As shown.
        type: string, number, date, datetime, enumeration, bool, phone_number.
        field_type: How it is edited.
        options: Allowed values of an enumeration.
        read_only: Writing it is refused.
        calculated: HubSpot computes it; writing it is refused too.
        defined: By HubSpot, not by the account.
    """

    name: str
    label: str
    type: str = "string"
    field_type: str = "text"
    options: tuple[str, ...] = ()
    read_only: bool = False
    calculated: bool = False
    defined: bool = True

    @property
    def writable(self) -> bool:
        """Whether the API takes a value."""
        return not (self.read_only or self.calculated)

    def to_json(self) -> dict[str, Any]:
        """Return the definition as `GET /crm/v3/properties/contacts` gives it."""
        return {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "description": "",
            "groupName": "contactinformation",
            "options": [
                {"label": option, "value": option, "displayOrder": at, "hidden": False}
                for at, option in enumerate(self.options)
            ],
            "displayOrder": -1,
            "calculated": self.calculated,
            "externalOptions": self.name == "hubspot_owner_id",
            "hasUniqueValue": self.name in {"email", "hs_object_id"},
            "hidden": False,
            "hubspotDefined": self.defined,
            "formField": self.writable,
            "modificationMetadata": {
                "archivable": not self.defined,
                "readOnlyDefinition": self.defined,
                "readOnlyValue": self.read_only,
            },
        }


def _text(*names: str) -> list[Property]:
    return [Property(name, name.replace("_", " ").capitalize()) for name in names]


def _read_only_times(*names: str) -> list[Property]:
    return [Property(name, name, "datetime", "date", read_only=True) for name in names]


CONTACT: Mapping[str, Property] = {
    prop.name: prop
    for prop in [
        *_text(
            "firstname", "lastname", "email", "work_email", "company", "jobtitle", "address",
            "city", "state", "zip", "country", "website", "salutation", "industry", "message",
            "fax", "hs_persona",
        ),
        Property("phone", "Phone Number", "string", "phonenumber"),
        Property("mobilephone", "Mobile Phone Number", "string", "phonenumber"),
        Property("annualrevenue", "Annual revenue", "number", "number"),
        Property("date_of_birth", "Date of birth", "date", "date"),
        Property("hubspot_owner_id", "Contact owner", "enumeration", "select"),
        Property("lifecyclestage", "Lifecycle Stage", "enumeration", "radio", STAGES),
        Property(
            "hs_lead_status", "Lead Status", "enumeration", "radio",
            ("NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "UNQUALIFIED", "ATTEMPTED_TO_CONTACT",
             "CONNECTED", "BAD_TIMING"),
        ),
        Property(
            "hs_language", "Preferred language", "enumeration", "select",
            ("fr", "fr-fr", "de", "de-de", "en", "en-gb", "en-us", "es", "es-es"),
        ),
        Property(
            "hs_legal_basis", "Legal basis for processing contact's data", "enumeration",
            "checkbox", LEGAL_BASES,
        ),
        Property("hs_email_optout", "Unsubscribed from all email", "bool", "booleancheckbox",
                 ("true", "false"), read_only=True),
        Property("hs_email_bounce", "Marketing emails bounced", "number", "number", read_only=True),
        Property("hs_email_hard_bounce_reason_enum", "Email hard bounce reason", "enumeration",
                 "select", ("CONTENT", "MAILBOX_FULL", "OTHER", "POLICY", "SPAM", "UNKNOWN_USER"),
                 read_only=True),
        Property("hs_email_bad_address", "Invalid email address", "bool", "booleancheckbox",
                 ("true", "false"), read_only=True),
        Property("hs_email_quarantined", "Email address quarantined", "bool", "booleancheckbox",
                 ("true", "false"), read_only=True),
        Property("hs_email_quarantined_reason", "Email address quarantined reason", "enumeration",
                 "select", QUARANTINE_REASONS, read_only=True),
        *[
            Property(f"{OPTOUT}_{key}", f"Opted out of email: {name}", "enumeration",
                     "booleancheckbox", ("true", "false"), read_only=True)
            for key, (name, _) in SUBSCRIPTIONS.items()
        ],
        Property("hs_additional_emails", "Additional email addresses", "enumeration", "checkbox",
                 read_only=True),
        Property("hs_merged_object_ids", "Merged record IDs", "enumeration", "checkbox",
                 read_only=True),
        Property("hs_calculated_merged_vids", "Merged vids with timestamps", calculated=True,
                 read_only=True),
        Property("hs_object_id", "Record ID", "number", "number", read_only=True),
        Property("hs_object_source_label", "Record source", "string", "text", read_only=True),
        Property("num_notes", "Number of Sales Activities", "number", "number", read_only=True),
        Property("num_contacted_notes", "Number of times contacted", "number", "number",
                 read_only=True),
        Property("hs_analytics_source", "Original Traffic Source", "enumeration", "select",
                 ("ORGANIC_SEARCH", "OFFLINE", "DIRECT_TRAFFIC", "REFERRALS"), read_only=True),
        *_read_only_times(
            "createdate", "lastmodifieddate", "notes_last_contacted", "notes_last_updated",
            "notes_next_activity_date", "hs_last_sales_activity_timestamp",
            "hs_sales_email_last_replied", "hs_sales_email_last_opened",
            "hs_sales_email_last_clicked", "hs_email_last_open_date", "hs_email_last_click_date",
            "hs_email_last_send_date", "hs_email_last_reply_date", "recent_conversion_date",
            "hs_latest_meeting_activity", "recent_deal_close_date",
            "hs_analytics_last_visit_timestamp", "hs_analytics_last_timestamp",
            "hs_last_sales_activity_date",
        ),
        Property("consent_given_at", "Consent: when", "datetime", "date", defined=False),
        Property("consent_how", "Consent: how", defined=False),
        Property("consent_text_version", "Consent: wording", defined=False),
        Property("consent_source", "Consent: source", defined=False),
        Property("consent_evidence", "Consent: proof", defined=False),
        Property("customer_number", "Customer number", "number", "number", defined=False),
    ]
}  # fmt: skip

TASK: Mapping[str, Property] = {
    prop.name: prop
    for prop in [
        *_text("hs_task_subject", "hs_task_body", "hs_task_reminders"),
        Property("hs_timestamp", "Due date", "datetime", "date"),
        Property("hs_task_status", "Status", "enumeration", "select",
                 ("NOT_STARTED", "IN_PROGRESS", "WAITING", "DEFERRED", "COMPLETED")),
        Property("hs_task_priority", "Priority", "enumeration", "select",
                 ("NONE", "LOW", "MEDIUM", "HIGH")),
        Property("hs_task_type", "Type", "enumeration", "select", ("EMAIL", "CALL", "TODO")),
        Property("hubspot_owner_id", "Assigned to", "enumeration", "select"),
        Property("hs_object_id", "Record ID", "number", "number", read_only=True),
        *_read_only_times("hs_createdate", "hs_lastmodifieddate"),
    ]
}  # fmt: skip

CONTACT_DEFAULTS = (
    "createdate",
    "email",
    "firstname",
    "hs_object_id",
    "lastmodifieddate",
    "lastname",
)
CONTACT_ALWAYS = ("createdate", "hs_object_id", "lastmodifieddate")
TASK_ALWAYS = ("hs_createdate", "hs_lastmodifieddate", "hs_object_id")

OWNERS: tuple[Mapping[str, Any], ...] = tuple(
    {
        "id": str(owner_id),
        "email": f"{first.lower()}.{last.lower()}@vendor.example",
        "type": "PERSON",
        "firstName": first,
        "lastName": last,
        "userId": owner_id - 64_000_000,
        "userIdIncludingInactive": owner_id - 64_000_000,
        "createdAt": "2021-03-01T08:00:00.000Z",
        "updatedAt": "2024-05-02T09:30:00.000Z",
        "archived": archived,
        "teams": [],
    }
    for owner_id, first, last, archived in (
        (64492917, "Nadia", "Ferrand", False),
        (64492920, "Tom", "Barker", False),
        (64493101, "Jana", "Vogt", False),
        (64500012, "Pilar", "Nieto", False),
        (64377001, "Alain", "Sorel", True),
    )
)
OWNER_IDS = frozenset(owner["id"] for owner in OWNERS)
