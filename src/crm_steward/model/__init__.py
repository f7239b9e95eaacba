"""What crm-steward talks about: contacts, consents, findings, changes, plans, errors.

Standard library only, no input or output. Everything is immutable; every time is
timezone-aware UTC. Names are those of docs/glossary.md.
"""

from __future__ import annotations

from crm_steward.model.ability import Ability, Capability, MergeHabits
from crm_steward.model.change import (
    ArchiveRecord,
    Change,
    CloseTask,
    CreateTask,
    MergeRecords,
    Reversibility,
    SuppressChannel,
    UpdateFields,
    change_from_json,
    change_key,
    change_to_json,
    kind_of,
)
from crm_steward.model.clock import Clock, utc_now
from crm_steward.model.compared import COMPARED
from crm_steward.model.consent import Channel, Consent, ConsentStatus, binding_consent
from crm_steward.model.contact import (
    AddressStatus,
    Contact,
    Email,
    Kind,
    Phone,
    PhoneKind,
    PostalAddress,
    RecordRef,
    Revision,
    SourceType,
    Stage,
    Value,
)
from crm_steward.model.errors import (
    AuthError,
    BusyError,
    ClockError,
    ConfigError,
    ConflictError,
    HaltedError,
    InputError,
    LimitExceededError,
    MailError,
    OtherAccountError,
    Problem,
    RecordRejectedError,
    RetryableError,
    StewardError,
    StoreError,
)
from crm_steward.model.fields import FIELDS, KEPT, MAPPABLE, Field, FieldType
from crm_steward.model.finding import Finding, Severity, fingerprint
from crm_steward.model.golden import Chosen, GoldenValue
from crm_steward.model.halt import Cause, Halt, stopping
from crm_steward.model.holding import with_value
from crm_steward.model.plan import Plan, PlannedChange

__all__ = [
    "COMPARED",
    "FIELDS",
    "KEPT",
    "MAPPABLE",
    "Ability",
    "AddressStatus",
    "ArchiveRecord",
    "AuthError",
    "BusyError",
    "Capability",
    "Cause",
    "Change",
    "Channel",
    "Chosen",
    "Clock",
    "ClockError",
    "CloseTask",
    "ConfigError",
    "ConflictError",
    "Consent",
    "ConsentStatus",
    "Contact",
    "CreateTask",
    "Email",
    "Field",
    "FieldType",
    "Finding",
    "GoldenValue",
    "Halt",
    "HaltedError",
    "InputError",
    "Kind",
    "LimitExceededError",
    "MailError",
    "MergeHabits",
    "MergeRecords",
    "OtherAccountError",
    "Phone",
    "PhoneKind",
    "Plan",
    "PlannedChange",
    "PostalAddress",
    "Problem",
    "RecordRef",
    "RecordRejectedError",
    "RetryableError",
    "Reversibility",
    "Revision",
    "Severity",
    "SourceType",
    "Stage",
    "StewardError",
    "StoreError",
    "SuppressChannel",
    "UpdateFields",
    "Value",
    "binding_consent",
    "change_from_json",
    "change_key",
    "change_to_json",
    "fingerprint",
    "kind_of",
    "stopping",
    "utc_now",
    "with_value",
]
