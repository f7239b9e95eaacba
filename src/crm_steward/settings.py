"""Settings: a YAML file, overridden by environment variables and secret files."""

from __future__ import annotations

from datetime import time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, SerializeAsAny

from crm_steward.connect.spec import ConnectionSettings

Language = Literal["en", "fr"]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class Mail(_Block):
    """The mail server that takes the weekly report."""

    host: str
    port: int = 587
    security: SmtpSecurity = SmtpSecurity.STARTTLS
    username: str | None = None
    password: SecretStr | None = None
    sender: str
    timeout: timedelta = timedelta(seconds=60)
    ca_file: Path | None = None
    """Certificates to trust instead of the system's (a private mail server)."""


class Recipient(_Block):
    """Who receives the weekly report."""

    address: str
    language: Language | None = None
    """None: the language of the settings."""


class Report(_Block):
    """When the weekly report is sent, to whom, and how much it shows."""

    recipients: tuple[Recipient, ...] = ()
    day: Literal[
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
    ] = "monday"
    at: time = time(7, 30)
    """Local time of the settings' time zone."""
    names: Literal["off", "initials", "on"] = "off"
    """How people are named in the report; off shows record ids only."""


class Limits(_Block):
    """Bounds of what may be written, on top of each rule's own. They fail closed."""

    max_changes_per_run: int = 200
    max_changes_per_day: int = 1000
    max_percent_per_day: float = 5.0
    """Share of the live contacts of a connection, in percent."""
    canary: int = 10
    """How many records a new or edited rule may touch the first time."""
    min_source_percent: float = 90.0
    """A source that shrank below this share of last time freezes all writes."""
    plan_expires_after: timedelta = timedelta(hours=72)


class Rules(_Block):
    """Which rules run."""

    packs: tuple[str, ...] = ("baseline", "format", "consent-eu", "duplicates")
    """Shipped packs, by name."""
    paths: tuple[Path, ...] = ()
    """Files or folders of your own rules, relative to the settings file."""


class Service(_Block):
    """The background service."""

    listen: str = "127.0.0.1:9464"
    """Where /healthz, /readyz and /metrics are served."""
    scan_every: timedelta = timedelta(hours=6)
    full_pull_every: timedelta = timedelta(days=7)
    apply_automatic: bool = False
    """Whether changes of rules in mode `apply` are written without being asked for."""


class Log(_Block):
    """Logging."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"
    """auto: readable on a terminal, JSON elsewhere."""


class Settings(_Block):
    """Everything that can be set, in one place.

    Args:
        folder: Where the settings file stands; relative paths start here.
    """

    version: Literal[1] = 1
    language: Language = "en"
    timezone: Annotated[ZoneInfo, Field()] = ZoneInfo("UTC")
    database: str = "sqlite:///crm-steward.db"
    connections: dict[str, SerializeAsAny[ConnectionSettings]] = {}
    rules: Rules = Rules()
    mail: Mail | None = None
    report: Report = Report()
    limits: Limits = Limits()
    service: Service = Service()
    log: Log = Log()
    folder: Path = Path()

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, frozen=True, arbitrary_types_allowed=True
    )


def load_settings(path: Path) -> Settings:
    """Read the settings file and what overrides it.

    Raises:
        ConfigError: The file is missing or wrong, or a prefixed environment variable is unknown;
            holds every problem found.
    """
    raise FileNotFoundError(path)
