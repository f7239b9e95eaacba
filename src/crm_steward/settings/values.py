"""Values of settings: what they may be, and what is said of one that may not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from email.utils import parseaddr
from importlib.util import find_spec
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from crm_steward.connect.discovery import specs
from crm_steward.connect.spec import ConnectionSettings

UNKNOWN_KIND = "unknown_kind"
"""Type of the error when no connector of a connection's kind is installed."""

_PORTS = range(1, 65536)


def _zone(value: Any) -> Any:
    if isinstance(value, ZoneInfo):
        return value
    names = available_timezones()
    if isinstance(value, str) and value in names:
        return ZoneInfo(value)
    place = str(value).rpartition("/")[2].replace(" ", "_").lower()
    tails = {name.rpartition("/")[2].lower(): name for name in sorted(names) if "/" in name}
    close = get_close_matches(place, tails, n=1)
    guess = f" (did you mean '{tails[close[0]]}'?)" if close else ""
    raise ValueError(f"is not a time zone{guess}; write one such as Europe/Paris")


def host_and_port(value: str) -> str:
    """Refuse what is no `host:port`."""
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) not in _PORTS:
        raise ValueError("should be host:port, for example 127.0.0.1:9464")
    return value


def wire_address(address: str) -> str:
    """Return an address with its domain in ASCII (RFC 5891) and lower case.

    Raises:
        ValueError: It is no address that every mail server can take.
    """
    local, at, domain = address.strip().rpartition("@")
    if not (local and at and domain and local.isascii() and address.strip().isprintable()):
        raise ValueError("not an e-mail address")
    if any(mark in local for mark in ' <>",;:()[]\\'):
        raise ValueError("not an e-mail address")
    return f"{local}@{domain.encode('idna').decode('ascii').lower()}"


def _address(value: str) -> str:
    return _mailbox(value, parseaddr(value)[1])


def _bare_address(value: str) -> str:
    name, address = parseaddr(value)
    if name:
        raise ValueError("should be an e-mail address alone, without a name")
    return _mailbox(value, value if "<" in value else address)


def _mailbox(value: str, address: str) -> str:
    """Refuse at once what no mail server would take on the day of the report."""
    try:
        wire_address(address)
    except ValueError as error:
        raise ValueError("should be an e-mail address") from error
    if any(mark in value for mark in "\r\n\0"):
        raise ValueError("should be an e-mail address")
    return value


def database_url(value: str) -> str:
    """Refuse what is no address of a database that can be used."""
    if not value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        raise ValueError(
            "should be sqlite:///path/to/file.db or postgresql+psycopg://user@host/name"
        )
    return value


def connection(value: Any, _handler: Any) -> ConnectionSettings:
    """Check one connection with the settings model that its kind brings."""
    if isinstance(value, ConnectionSettings):
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError("dict_type", "should hold keys: kind and what that kind needs")
    kind = value.get("kind")
    if kind is None:
        return ConnectionSettings.model_validate({})  # says that `kind` is missing, and no more
    known = specs()
    if kind not in known:
        close = get_close_matches(str(kind), known, n=1)
        guess = f" (did you mean '{close[0]}'?)" if close else ""
        raise PydanticCustomError(
            UNKNOWN_KIND,
            "no connector of this kind is installed{guess}; installed: {kinds}",
            {"guess": guess, "kinds": ", ".join(known) or "none"},
        )
    return known[kind].settings.model_validate(value)


def connection_name_problem(name: str) -> str:
    """Say why `name` cannot name a connection; empty when it can."""
    if re.fullmatch(_NAME, name) and len(name) <= _NAME_LENGTH:
        return ""
    return "should be of small letters, digits and hyphens, at most 40 of them"


def collector(value: str) -> str:
    """Refuse at the start what could not be sent to."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("write a web address like http://localhost:4318/v1/traces")
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise ValueError("it needs OpenTelemetry: pip install 'crm-steward[traces]'")
    return value


TimeZone = Annotated[
    ZoneInfo,
    BeforeValidator(_zone),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["Europe/Paris"]}),
]
Address = Annotated[str, AfterValidator(_address)]
BareAddress = Annotated[str, AfterValidator(_bare_address)]
Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=0)]
_NAME = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
_NAME_LENGTH = 40
ConnectionName = Annotated[str, Field(pattern=_NAME, max_length=_NAME_LENGTH)]
