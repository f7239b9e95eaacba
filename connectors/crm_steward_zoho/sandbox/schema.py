"""The emulated account's contact fields and users.

Names and types follow Zoho's standard Contacts module and its fields API; the custom ones are those
of this invented account. Custom fields have readable API names in Zoho.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BASES = (
    "Not Applicable",
    "Legitimate Interests",
    "Contract",
    "Legal Obligation",
    "Vital Interests",
    "Public Interests",
    "Consent - Pending",
    "Consent - Waiting",
    "Consent - Obtained",
    "Consent - Not Responded",
)
MODES = ("Consent form", "Manual", "Unsubscribe link", "Zoho campaigns")
SOURCES = ("Web Form", "External Referral", "Trade Show", "Online Store", "Advertisement")
_JSON = {
    "boolean": "boolean",
    "integer": "integer",
    "lookup": "jsonobject",
    "ownerlookup": "jsonobject",
    "consent_lookup": "jsonobject",
    "bigint": "string",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the Contacts module.

    Args:
        name: API name.
        label: As shown.
        type: Zoho's `data_type`.
        length: Longest text.
        options: Values of a picklist.
        read_only: The API takes no value.
        custom: Made by the account's people.
        mandatory: By Zoho itself.
        private: Exists only while GDPR compliance is on.
    """

    name: str
    label: str
    type: str = "text"
    length: int = 255
    options: tuple[str, ...] = ()
    read_only: bool = False
    custom: bool = False
    mandatory: bool = False
    private: bool = False

    def to_json(self, *, unique: bool) -> dict[str, Any]:
        """Return the definition as `GET /crm/v8/settings/fields` gives it."""
        return {
            "api_name": self.name,
            "field_label": self.label,
            "display_label": self.label,
            "data_type": self.type,
            "json_type": _JSON.get(self.type, "string"),
            "length": self.length,
            "custom_field": self.custom,
            "read_only": self.read_only,
            "field_read_only": self.read_only,
            "system_mandatory": self.mandatory,
            "visible": True,
            "unique": {"casesensitive": "false"} if unique else {},
            "pick_list_values": [
                {"display_value": value, "actual_value": value} for value in self.options
            ],
            "lookup": {"module": {"api_name": "Accounts"}} if self.type == "lookup" else {},
            "view_type": {"view": True, "edit": not self.read_only, "create": not self.read_only},
        }


def _texts(*names: str) -> list[Field]:
    return [Field(name, name.replace("_", " ")) for name in names]


def _times(*names: str) -> list[Field]:
    return [Field(name, name.replace("_", " "), "datetime", read_only=True) for name in names]


CONTACT: Mapping[str, Field] = {
    field.name: field
    for field in [
        Field("id", "Record Id", "bigint", read_only=True),
        Field("First_Name", "First Name", length=40),
        Field("Last_Name", "Last Name", length=80, mandatory=True),
        Field("Full_Name", "Full Name", read_only=True),
        Field("Email", "Email", "email", 100),
        Field("Secondary_Email", "Secondary Email", "email", 100),
        *(Field(name, name.replace("_", " "), "phone", 30)
          for name in ("Phone", "Mobile", "Home_Phone", "Other_Phone")),
        *_texts("Title", "Department", "Mailing_Street", "Mailing_Zip", "Mailing_City",
                "Mailing_State", "Mailing_Country", "Other_Street", "Other_Zip", "Other_City",
                "Other_State", "Other_Country"),
        Field("Account_Name", "Account Name", "lookup"),
        Field("Owner", "Contact Owner", "ownerlookup"),
        Field("Date_of_Birth", "Date of Birth", "date"),
        Field("Lead_Source", "Lead Source", "picklist", options=SOURCES),
        Field("Description", "Description", "textarea", 32_000),
        Field("Tag", "Tag", "text", read_only=True),
        Field("Email_Opt_Out", "Email Opt Out", "boolean"),
        Field("Unsubscribed_Mode", "Unsubscribed Mode", "picklist", options=MODES, read_only=True),
        *_times("Created_Time", "Modified_Time", "Last_Activity_Time", "Unsubscribed_Time"),
        Field("Locked__s", "Locked", "boolean", read_only=True),
        Field("Data_Processing_Basis", "Data Processing Basis", "picklist", options=BASES,
              private=True),
        Field("Data_Processing_Basis_Details", "Data Processing Basis Details", "consent_lookup",
              private=True),
        Field("Customer_Status", "Customer Status", "picklist",
              options=("Prospect", "Customer", "Former customer"), custom=True),
        Field("Customer_Number", "Customer Number", custom=True),
        Field("Score", "Score", "integer", custom=True),
        Field("Newsletter", "Newsletter", "boolean", custom=True),
        Field("Last_Reply", "Last Reply", "datetime", custom=True),
        Field("Imported_Email", "Imported Email", custom=True),
        Field("Nickname", "Nickname", custom=True),
        Field("Language", "Language", custom=True),
        Field("Website", "Website", "website", custom=True),
        Field("Consent_Wording", "Consent Wording", custom=True),
        Field("Consent_Source", "Consent Source", custom=True),
        Field("Consent_Evidence", "Consent Evidence", custom=True),
    ]
}  # fmt: skip

TASK = ("id", "Subject", "Description", "Due_Date", "Status", "Priority", "Owner", "Who_Id",
        "Created_Time", "Modified_Time")  # fmt: skip
TASK_LENGTHS = {"Subject": 255, "Description": 32_000}

USERS: tuple[Mapping[str, Any], ...] = tuple(
    {
        "id": f"55459740000001{number}",
        "full_name": f"{first} {last}",
        "first_name": first,
        "last_name": last,
        "email": f"{first.lower()}.{last.lower()}@vendor.example",
        "status": "active" if active else "disabled",
        "confirm": True,
        "role": {"name": "Manager", "id": "5545974000000026005"},
        "profile": {"name": "Administrator", "id": "5545974000000026011"},
        "time_zone": "Europe/Paris",
    }
    for number, first, last, active in (
        (93001, "Nadia", "Ferrand", True),
        (93002, "Tom", "Barker", True),
        (93003, "Jana", "Vogt", True),
        (93004, "Pilar", "Nieto", True),
        (93005, "Alain", "Sorel", False),
    )
)
USER_BY_ID = {user["id"]: user for user in USERS}
