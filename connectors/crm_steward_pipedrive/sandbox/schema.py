"""The emulated account's users, activity types, labels and person fields.

Standard fields follow the person of Pipedrive's version 2; the custom ones are this invented
account's own, made by its people. A custom field is named by 40 hexadecimal digits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

COMPANY = {"id": 7_300_001, "name": "Steward Sandbox", "domain": "steward-sandbox"}

_ME = 21_000_011
USERS: tuple[Mapping[str, Any], ...] = tuple(
    {
        "id": user_id,
        "name": name,
        "email": f"{name.split()[0].lower()}@vendor.example",
        "active_flag": active,
        "is_deleted": False,
        "timezone_name": "Europe/Paris",
        "timezone_offset": "+01:00",
        "access": [{"app": "sales", "admin": user_id == _ME, "permission_set_id": "ps-1"}],
        "is_you": user_id == _ME,
    }
    for user_id, name, active in (
        (_ME, "Nadia Ferrand", True),
        (21_000_012, "Tom Barker", True),
        (21_000_015, "Jana Vogt", True),
        (21_000_019, "Pilar Nieto", True),
        (20_900_003, "Alain Sorel", False),
    )
)
USER_IDS = frozenset(user["id"] for user in USERS)

TYPES = ("call", "meeting", "task", "deadline", "email", "lunch")
"""The activity types of a fresh account; admins may switch them off."""

LABELS = ((1, "Customer"), (2, "Hot lead"), (3, "Warm lead"), (4, "Cold lead"))

OPTIONAL = (
    "next_activity_id",
    "last_activity_id",
    "open_deals_count",
    "closed_deals_count",
    "won_deals_count",
    "lost_deals_count",
    "activities_count",
    "done_activities_count",
    "undone_activities_count",
    "notes_count",
    "last_incoming_mail_time",
    "last_outgoing_mail_time",
)
"""What `include_fields` can add to a person, as far as it is built."""

CAMPAIGNS = ("marketing_status", "doi_status")
STATUSES = ("no_consent", "unsubscribed", "subscribed", "archived")
CONTACT_SYNC = ("postal_address", "notes", "im", "birthday", "job_title")
ADDRESS_PARTS = (
    "value",
    "country",
    "admin_area_level_1",
    "admin_area_level_2",
    "locality",
    "sublocality",
    "route",
    "street_number",
    "postal_code",
)


def code_of(name: str, number: int = 0) -> str:
    """Return the code under which this account keeps the custom field `name`."""
    return hashlib.sha256(f"{name}/{number}".encode()).hexdigest()[:40]


def _field(code: str, name: str, kind: str, *, custom: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "field_name": name,
        "field_code": code,
        "description": "",
        "field_type": kind,
        "options": more.get("options"),
        "subfields": more.get("subfields"),
        "is_custom_field": custom,
        "is_optional_response_field": more.get("optional", False),
    }


def _options(first: int, *labels: str) -> list[dict[str, Any]]:
    return [
        {"id": first + at, "label": label, "color": None, "add_time": None, "update_time": None}
        for at, label in enumerate(labels)
    ]


_STANDARD = (
    ("id", "ID", "int"),
    ("name", "Name", "varchar"),
    ("first_name", "First name", "varchar"),
    ("last_name", "Last name", "varchar"),
    ("emails", "Email", "varchar"),
    ("phones", "Phone", "phone"),
    ("owner_id", "Owner", "user"),
    ("org_id", "Organization", "org"),
    ("add_time", "Person created", "date"),
    ("update_time", "Update time", "date"),
    ("visible_to", "Visible to", "visible_to"),
    ("picture_id", "Profile picture", "picture"),
)
_SYNC_KINDS = ("address", "text", "varchar", "date", "varchar")

CUSTOM = (
    _field(code_of("Customer number"), "Customer number", "varchar", custom=True),
    _field(
        code_of("Language"), "Language", "enum", custom=True,
        options=_options(31, "French", "German", "English", "Spanish"),
    ),
    _field(code_of("Website"), "Website", "varchar", custom=True),
    _field(
        code_of("Interests"), "Interests", "set", custom=True,
        options=_options(51, "Newsletter", "Fairs", "Webinars"),
    ),
    _field(
        code_of("Type of client"), "Type of client", "enum", custom=True,
        options=_options(61, "Company", "Consumer"),
    ),
    _field(
        code_of("Stage"), "Stage", "enum", custom=True,
        options=_options(71, "Prospect", "Customer", "Former customer"),
    ),
    _field(code_of("Source"), "Source", "varchar", custom=True),
    _field(code_of("Seats"), "Seats", "double", custom=True),
    _field(
        code_of("Turnover"), "Turnover", "monetary", custom=True,
        subfields=[
            {"field_code": "value", "field_name": "Amount", "field_type": "double"},
            {"field_code": "currency", "field_name": "Currency", "field_type": "varchar"},
        ],
    ),
    _field(code_of("Consent: when"), "Consent: when", "date", custom=True),
    _field(code_of("Consent: how"), "Consent: how", "varchar", custom=True),
    _field(code_of("Consent: wording"), "Consent: wording", "varchar", custom=True),
    _field(code_of("Consent: source"), "Consent: source", "varchar", custom=True),
    _field(code_of("Consent: proof"), "Consent: proof", "varchar", custom=True),
    _field(code_of("Remark", 1), "Remark", "varchar", custom=True),
    _field(code_of("Remark", 2), "Remark", "varchar", custom=True),
)  # fmt: skip


def fields(*, campaigns: bool, contact_sync: bool) -> dict[str, dict[str, Any]]:
    """Return the person fields of a fresh account by their codes, in the order of creation."""
    labels = [{"id": number, "label": label, "color": "green"} for number, label in LABELS]
    found = [_field(*entry) for entry in _STANDARD]
    found.append(_field("label_ids", "Labels", "set", options=labels))
    found += [_field(name, name, "int", optional=True) for name in OPTIONAL]
    if campaigns:
        options = [{"id": status, "label": status, "color": None} for status in STATUSES]
        found.append(
            _field(CAMPAIGNS[0], "Marketing status", "enum", options=options, optional=True)
        )
    if contact_sync:
        pairs = zip(CONTACT_SYNC, _SYNC_KINDS, strict=True)
        found += [_field(name, name.replace("_", " ").title(), kind) for name, kind in pairs]
    return {field["field_code"]: dict(field) for field in (*found, *CUSTOM)}
