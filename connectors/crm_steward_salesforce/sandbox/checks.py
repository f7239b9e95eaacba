"""What Salesforce accepts for a field, and in which words it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from crm_steward.sandbox import Refusal
from crm_steward_salesforce.sandbox import answers
from crm_steward_salesforce.sandbox.org import Row, SalesforceOrg
from crm_steward_salesforce.sandbox.schema import Field
from crm_steward_salesforce.sandbox.values import full_id, read_date, read_time, stamp

_EMAIL = re.compile(r"[^@\s<>(),;:\"\[\]\\]+@[^@\s<>(),;:\"\[\]\\.]+(\.[^@\s<>(),;:\"\[\]\\.]+)+")


class RowError(Exception):
    """One record is refused.

    Args:
        code: Salesforce's status code.
        message: Its text, values included, as the vendor's are.
        fields: The fields it names.
        status: The HTTP status where the record travels alone.
    """

    def __init__(
        self, code: str, message: str, fields: tuple[str, ...] = (), status: int = 400
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.fields = fields
        self.status = status


def checked(crm: SalesforceOrg, name: str, values: Mapping[str, Any], *, new: bool) -> Row:
    """Return the values as they are stored: trimmed, null where empty.

    Raises:
        RowError: A value is refused.
    """
    fields = crm.fields(name)
    stored: Row = {}
    for given, value in values.items():
        field = fields.get(given)
        if field is None:
            text = f"No such column '{given}' on sobject of type {name}"
            raise RowError("INVALID_FIELD", text)
        if not field.writable:
            text = f"Unable to create/update fields: {given}. Please check the security settings."
            raise RowError("INVALID_FIELD_FOR_INSERT_UPDATE", text, (given,))
        stored[given] = _checked(crm, field, value)
    required = [field.name for field in fields.values() if field.required and not field.options]
    missing = [f for f in required if (f in stored or new) and stored.get(f) is None]
    if missing:
        text = f"Required fields are missing: [{', '.join(missing)}]"
        raise RowError("REQUIRED_FIELD_MISSING", text, tuple(missing))
    return stored


def check_json(crm: SalesforceOrg, name: str, values: Mapping[str, Any]) -> None:
    """Look whether the values can be read at all; if not, that ends the whole request, not a row.

    Raises:
        Refusal: 400, or 501 where the vendor does not say what happens.
    """
    fields = crm.fields(name)
    for given, value in values.items():
        if given in fields:
            _check_json_value(crm, fields[given], value)


def _checked(crm: SalesforceOrg, field: Field, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        if value is None and field.type == "boolean":
            text = f"invalid value for boolean: {field.name}"
            raise RowError("INVALID_TYPE_ON_FIELD_IN_RECORD", text, (field.name,))
        return value
    text = value.strip()
    if not text:
        return None
    if field.type in _RULES:
        return _RULES[field.type](crm, field, text)
    if field.length and len(text) > field.length:
        shown = f"{field.name}: data value too large: {text} (max length={field.length})"
        raise RowError("STRING_TOO_LONG", shown, (field.name,))
    return text


def _check_json_value(crm: SalesforceOrg, field: Field, value: Any) -> None:
    if value is None:
        return
    readers = {"datetime": read_time, "date": read_date}
    if field.type == "boolean":
        readable = isinstance(value, bool)
    elif not isinstance(value, str):
        kind = type(value).__name__
        raise Refusal(crm.unknown(f"a value of type {kind} for the {field.type} {field.name}"))
    else:
        readable = not value or field.type not in readers or bool(readers[field.type](value))
    if not readable:
        text = f"Cannot deserialize instance of {field.type} from value {value}"
        answers.refuse(400, "JSON_PARSER_ERROR", text)


def _email(_: SalesforceOrg, field: Field, text: str) -> str:
    if not _EMAIL.fullmatch(text):
        shown = f"{field.name}: invalid email address: {text}"
        raise RowError("INVALID_EMAIL_ADDRESS", shown, (field.name,))
    if len(text) > field.length:
        shown = f"{field.name}: data value too large: {text} (max length={field.length})"
        raise RowError("STRING_TOO_LONG", shown, (field.name,))
    return text


def _option(_: SalesforceOrg, field: Field, text: str) -> str:
    if field.restricted and text not in field.options:
        shown = f"{field.name}: bad value for restricted picklist field: {text}"
        raise RowError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", shown, (field.name,))
    return text


def _moment(_: SalesforceOrg, field: Field, text: str) -> str | None:  # noqa: ARG001 -- one shape for all rules
    moment = read_time(text)
    return stamp(moment) if moment else None


def _day(_: SalesforceOrg, field: Field, text: str) -> str | None:  # noqa: ARG001 -- one shape for all rules
    day = read_date(text)
    return day.isoformat() if day else None


def _reference(crm: SalesforceOrg, field: Field, text: str) -> str:
    if field.name == "OwnerId":
        return _owner(crm, field, full_id(text))
    row = crm.find(field.refers, text) if field.refers else None
    if row is None:
        shown = f"invalid cross reference id: {text}"
        raise RowError("INVALID_CROSS_REFERENCE_KEY", shown, (field.name,))
    if row["IsDeleted"]:
        raise RowError("ENTITY_IS_DELETED", "entity is deleted", (), 404)
    return str(row["Id"])


def _owner(crm: SalesforceOrg, field: Field, owner: str) -> str:
    user = crm.find("User", owner)
    if user is None and crm.find("Group", owner) is None:
        raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid owner", (field.name,))
    if user is not None and not user["IsActive"]:
        text = "operation performed with inactive user [" + owner + "]"
        raise RowError("INACTIVE_OWNER_OR_USER", text, (field.name,))
    return owner


_RULES: Mapping[str, Callable[[SalesforceOrg, Field, str], str | None]] = {
    "email": _email,
    "picklist": _option,
    "datetime": _moment,
    "date": _day,
    "reference": _reference,
}


def check_duplicate(
    crm: SalesforceOrg, record_id: str, stored: Row, headers: Mapping[str, str]
) -> None:
    """Apply the org's duplicate rule: another contact has the e-mail address being saved.

    Raises:
        RowError: The rule blocks, or alerts and the header does not allow saving.
    """
    address = stored.get("Email")
    if not crm.duplicate_rule or not address:
        return
    allowed = "allowsave=true" in headers.get("sforce-duplicate-rule-header", "").lower()
    if crm.duplicate_rule == "alert" and allowed:
        return
    for other in crm.live("Contact"):
        held = other.get("Email")
        if other["Id"] != record_id and held and held.casefold() == address.casefold():
            raise RowError("DUPLICATES_DETECTED", "Use one of these records?")
