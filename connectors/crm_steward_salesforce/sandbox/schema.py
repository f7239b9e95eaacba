"""The emulated org's objects: standard fields as Salesforce has them, and this org's own (`…__c`).

Names, types and lengths follow the Object Reference
(developer.salesforce.com/docs/atlas.en-us.object_reference.meta).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object.

    Args:
        name: Its API name.
        type: id, string, email, phone, textarea, picklist, boolean, date, datetime, reference.
        length: Characters a text may have; 0 where that means nothing.
        writable: Whether the API takes a value.
        required: It can be neither left out nor cleared.
        refers: The object a reference leads to.
        options: The values of a picklist, the default first.
        restricted: A picklist takes no other value.
        filterable: It may stand in WHERE and ORDER BY.
    """

    name: str
    type: str = "string"
    length: int = 255
    writable: bool = True
    required: bool = False
    refers: str = ""
    options: tuple[str, ...] = ()
    restricted: bool = False
    filterable: bool = True

    @property
    def relationship(self) -> str:
        """The name under which a query walks along a reference: `AccountId` → `Account`."""
        return self.name.removesuffix("Id") if self.refers else ""

    def to_json(self) -> dict[str, Any]:
        """Return the part of a describe result that speaks of it."""
        custom = self.name.endswith("__c")
        return {
            "name": self.name,
            "label": self.name.removesuffix("__c").replace("_", " "),
            "type": self.type,
            "length": self.length if self.type not in _UNMEASURED else 0,
            "nillable": not self.required and self.type != "boolean",
            "createable": self.writable,
            "updateable": self.writable,
            "filterable": self.filterable,
            "calculated": False,
            "custom": custom,
            "unique": False,
            "externalId": False,
            "defaultedOnCreate": self.type == "boolean" or self.name == "OwnerId",
            "restrictedPicklist": self.restricted,
            "picklistValues": [
                {"active": True, "defaultValue": at == 0, "label": option, "value": option}
                for at, option in enumerate(self.options)
            ],
            "referenceTo": [self.refers] if self.refers else [],
            "relationshipName": self.relationship or None,
            "compoundFieldName": None,
        }


_UNMEASURED = frozenset({"boolean", "date", "datetime", "id", "reference"})


@dataclass(frozen=True, slots=True)
class SObject:
    """One kind of record.

    Args:
        name: Its API name.
        prefix: The first three characters of its ids.
        fields: By API name.
        mergeable: Whether SOAP `merge` takes it.
    """

    name: str
    prefix: str
    fields: Mapping[str, Field]
    mergeable: bool = False
    lower: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lower", {name.lower(): name for name in self.fields})


def _read_only(kind: str, *names: str) -> list[Field]:
    return [Field(name, kind, writable=False) for name in names]


def _text(length: int, *names: str) -> list[Field]:
    return [Field(name, length=length) for name in names]


def _flags(*names: str) -> list[Field]:
    return [Field(name, "boolean") for name in names]


_SYSTEM = [
    *_read_only("id", "Id"),
    *_read_only("boolean", "IsDeleted"),
    *_read_only("datetime", "CreatedDate", "LastModifiedDate", "SystemModstamp"),
    Field("CreatedById", "reference", writable=False, refers="User"),
    Field("LastModifiedById", "reference", writable=False, refers="User"),
]
_OWNER = Field("OwnerId", "reference", refers="User")

_CONTACT = [
    *_SYSTEM,
    Field("MasterRecordId", "reference", writable=False, refers="Contact"),
    Field("AccountId", "reference", refers="Account"),
    Field("LastName", length=80, required=True),
    *_text(40, "FirstName", "Salutation", "MailingCity"),
    *_read_only("string", "Name"),
    Field("MailingStreet", "textarea"),
    *_text(80, "MailingState", "MailingCountry", "Department"),
    *_text(20, "MailingPostalCode"),
    *(Field(name, "phone", 40) for name in
      ("Phone", "Fax", "MobilePhone", "HomePhone", "OtherPhone", "AssistantPhone")),
    Field("Email", "email", 80),
    *_text(128, "Title"),
    Field("LeadSource", "picklist", options=("Web", "Phone Inquiry", "Partner Referral",
                                             "Purchased List", "Trade Show", "Other")),
    _OWNER,
    *_flags("HasOptedOutOfEmail", "HasOptedOutOfFax", "DoNotCall"),
    *_read_only("date", "LastActivityDate"),
    *_read_only("datetime", "LastCURequestDate", "LastCUUpdateDate", "LastViewedDate",
                "LastReferencedDate"),
    Field("EmailBouncedReason"),
    Field("EmailBouncedDate", "datetime"),
    *_read_only("boolean", "IsEmailBounced"),
    Field("IndividualId", "reference", refers="Individual"),
    Field("Description", "textarea", 32_000, filterable=False),
    Field("Second_Email__c", "email", 80),
    Field("Language__c", "picklist", options=("fr", "de", "en", "es"), restricted=True),
    Field("Stage__c", "picklist", options=("Prospect", "Customer", "Former")),
    Field("Customer_Number__c", length=20),
    Field("Last_Reply__c", "datetime"),
    Field("Consent_Given_At__c", "datetime"),
    *_text(255, "Consent_How__c", "Consent_Text_Version__c", "Consent_Source__c",
           "Consent_Evidence__c"),
]  # fmt: skip
_TASK = [
    *_SYSTEM,
    Field("WhoId", "reference", refers="Contact"),
    Field("WhatId", "reference"),
    Field("Subject", length=255),
    Field("ActivityDate", "date"),
    Field("Status", "picklist", required=True, restricted=True,
          options=("Not Started", "In Progress", "Completed", "Waiting on someone else")),
    Field("Priority", "picklist", required=True, restricted=True,
          options=("Normal", "High", "Low")),
    _OWNER,
    Field("Description", "textarea", 32_000, filterable=False),
    *_read_only("boolean", "IsClosed"),
]  # fmt: skip
_INDIVIDUAL = [
    *_SYSTEM,
    Field("LastName", length=80, required=True),
    *_flags("HasOptedOutTracking", "HasOptedOutProfiling", "HasOptedOutProcessing",
            "HasOptedOutSolicit", "HasOptedOutGeoTracking", "ShouldForget",
            "SendIndividualData", "CanStorePiiElsewhere"),
]  # fmt: skip
_TYPE_CONSENT = [
    *_SYSTEM,
    Field("Name", required=True),
    Field("PartyId", "reference", refers="Individual"),
    Field("ContactPointType", "picklist", restricted=True,
          options=("Email", "Phone", "MailingAddress", "Social", "Web")),
    Field("PrivacyConsentStatus", "picklist", restricted=True,
          options=("OptIn", "OptOut", "Seen", "NotSeen")),
    *(Field(name, "datetime") for name in
      ("EffectiveFrom", "EffectiveTo", "CaptureDate", "DoubleConsentCaptureDate")),
    *_text(255, "CaptureSource"),
    Field("CaptureContactPointType", "picklist", restricted=True,
          options=("Web", "Email", "Phone", "Social", "MailingAddress")),
    Field("DataUsePurposeId", "reference", refers="DataUsePurpose"),
]  # fmt: skip


def _object(name: str, prefix: str, fields: list[Field], *, mergeable: bool = False) -> SObject:
    return SObject(name, prefix, {item.name: item for item in fields}, mergeable)


OBJECTS: Mapping[str, SObject] = {
    item.name: item
    for item in (
        _object("Contact", "003", _CONTACT, mergeable=True),
        _object("Account", "001", [*_SYSTEM, Field("Name", required=True), Field("Website")]),
        _object("Task", "00T", _TASK),
        _object(
            "User",
            "005",
            [*_SYSTEM, *_text(121, "Name", "Username", "Email", "UserType"), *_flags("IsActive")],
        ),
        _object("Group", "00G", [*_SYSTEM, *_text(40, "Name", "Type")]),
        _object(
            "Organization",
            "00D",
            [*_SYSTEM, *_text(80, "Name", "TimeZoneSidKey", "OrganizationType"),
             *_flags("IsSandbox")],
        ),
        _object("Individual", "0PK", _INDIVIDUAL, mergeable=True),
        _object("ContactPointTypeConsent", "0ZX", _TYPE_CONSENT),
        _object("DataUsePurpose", "0ZW", [*_SYSTEM, Field("Name", required=True)]),
    )
}  # fmt: skip
"""API name → object."""

PRIVACY = frozenset({"Individual", "ContactPointTypeConsent", "DataUsePurpose"})
"""Objects that exist where *Data Protection and Privacy* is switched on, with `IndividualId`."""

NAMES = {name.lower(): name for name in OBJECTS}
