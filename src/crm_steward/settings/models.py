"""Everything that can be set, with its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    SerializeAsAny,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from crm_steward.connect.discovery import specs
from crm_steward.connect.spec import (
    ConnectionSettings,
    Duration,
    DurationOrZero,
    Texts,
    read_texts,
)
from crm_steward.documented import Documented
from crm_steward.model import Ability, ConfigError, Problem
from crm_steward.settings.values import (
    Address,
    BareAddress,
    ConnectionName,
    Count,
    Percent,
    TimeZone,
    collector,
    connection,
    database_url,
    host_and_port,
)

Language = Literal["en", "fr"]


class _Block(Documented):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class Mail(_Block):
    """The mail server that takes the weekly report."""

    host: str
    """Name of the mail server."""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    """587 for starttls, 465 for tls."""
    security: SmtpSecurity = SmtpSecurity.STARTTLS
    """How the connection is protected: starttls, tls or none."""
    username: str | None = None
    """Who logs in; without it nobody does."""
    password: SecretStr | None = None
    """Keep it out of the file: CRM_STEWARD_MAIL__PASSWORD or the secret file mail__password."""
    sender: Address
    """Who the report comes from."""
    timeout: Duration = timedelta(seconds=60)
    """How long one answer of the mail server may take: ten minutes at most, which it has in any case
    for the end of a mail."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's (a private mail server)."""


def _or_text(schema: dict[str, Any]) -> None:
    whole = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string"}, whole]


class Recipient(_Block):
    """Who receives the weekly report; an address alone will do."""

    model_config = ConfigDict(json_schema_extra=_or_text)

    address: BareAddress
    """Where it is sent."""
    language: Language | None = None
    """None: the language of the settings."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"address": value} if isinstance(value, str) else value


class Report(_Block):
    """When the weekly report is sent, to whom, and how much it shows."""

    recipients: Annotated[tuple[Recipient, ...], BeforeValidator(read_texts)] = ()
    """Addresses, or `{address, language}`."""
    alerts: Annotated[tuple[Recipient, ...], BeforeValidator(read_texts)] | None = None
    """Who is told at once when a connection is paused or frozen, when writing stops, when rules
    cannot be used, and when that ends. Without it, the recipients; `[]`: nobody."""
    privacy: Annotated[tuple[Recipient, ...], BeforeValidator(read_texts)] = ()
    """Who gets the digest of data protection, on the same day: consents, objections, retention,
    erasures and the register."""
    owners: (
        Literal["off", "all"] | Annotated[tuple[Recipient, ...], BeforeValidator(read_texts)]
    ) = "off"
    """Which owners get a digest of their own records, on the same day: `all` whose address a CRM
    tells and who are active there, or a list of such addresses."""
    day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = (
        "monday"
    )
    """The day of the week."""
    at: time = time(7, 30)
    """Local time of the settings' time zone."""
    workbook: bool = False
    """Whether the report has its lists attached as an .xlsx file."""
    names: Literal["off", "initials", "on"] = "off"
    """How people are named in the report; off shows record ids only."""

    @property
    def mailed(self) -> bool:
        """Whether anybody is to get a mail."""
        listed = self.recipients or self.alerts or self.privacy
        return bool(listed) or self.owners not in ("off", ())

    @field_validator("names", "owners", mode="before")
    @classmethod
    def _yaml_1_1(cls, value: Any) -> Any:
        """Take `off` and `on` as words, also from tools that write them as booleans."""
        return {False: "off", True: "on"}.get(value, value) if isinstance(value, bool) else value


class Limits(_Block):
    """Bounds of what may be written, on top of each rule's own. They fail closed."""

    max_changes_per_run: Count = 200
    """Records that one run may touch."""
    max_changes_per_day: Count = 1000
    """Records that all runs of 24 hours may touch."""
    max_percent_per_day: Percent = 5.0
    """Share of the live contacts of a connection, in percent."""
    canary: Count = 10
    """How many records a new or edited rule may touch the first time."""
    canary_pause: DurationOrZero = timedelta(hours=24)
    """How long those are left alone before they are read back; when nobody changed them back, the
    rule may touch ten times as many, and so on. 0: read back at once, then no limit but the others."""
    min_source_percent: Percent = 90.0
    """A source that shrank below this share of last time freezes all writes."""
    plan_expires_after: Duration = timedelta(hours=72)
    """How long a plan can be approved."""


class Halting(_Block):
    """What stops writing at once: a file, and changes that fail."""

    file: Path | None = None
    """While this file exists nothing is written, whatever is in it; relative to the settings file.
    Without it: STOP-WRITING beside the SQLite file, else beside the settings."""
    failures_in_a_row: Annotated[int, Field(ge=1)] = 5
    """Writing to a connection stops when so many changes in a row were refused or met a record that
    was edited meanwhile."""
    percent: Annotated[float, Field(ge=0, lt=100)] = 10.0
    """It also stops when more than this share of a run's changes failed so, or of those within
    `window`."""
    counted_from: Annotated[int, Field(ge=1)] = 20
    """The share is looked at once so many changes have ended."""
    window: Duration = timedelta(hours=24)
    """How far back failures count, at most to when writing was last resumed."""
    retry_after: Duration = timedelta(minutes=30)
    """How long nothing is written then; after that one change is tried, and when the CRM takes it,
    writing goes on."""


class Rules(_Block):
    """Which rules run."""

    packs: Texts = ("baseline", "format", "consent-eu", "duplicates")
    """Shipped packs, by name: baseline, format, consent-eu, duplicates, completeness, consent-fr,
    consent-de, consent-uk, casl, retention-fr, freetext, segments."""
    paths: Annotated[tuple[Path, ...], BeforeValidator(read_texts)] = ()
    """Files or folders of your own rules, relative to the settings file."""
    # Every model has `register` already, from its metaclass: hence the longer name here.
    register_file: Annotated[Path | None, Field(alias="register")] = None
    """Your register of processing activities, relative to the settings file: the one place of
    retention periods. Without it, the shipped template."""


class Service(_Block):
    """The background service."""

    listen: Annotated[str, AfterValidator(host_and_port)] = "127.0.0.1:9464"
    """Where /healthz, /readyz and /metrics are served."""
    scan_every: Duration = timedelta(hours=6)
    """How often the rules run over the mirror."""
    full_pull_every: Duration = timedelta(days=7)
    """How often everything is fetched again, so that nothing is missed."""
    apply_automatic: bool = False
    """Whether changes of rules in mode `apply` are written without being asked for."""
    standby: bool = False
    """Whether a second service on the same database waits, and takes over within 30 seconds when
    the first ends or dies. Without it, it ends at once with exit code 8."""
    restore_test: Path | None = None
    """Where your backups of the SQLite file are: a folder with nothing else in it, or a pattern such
    as backups/*.db, relative to the settings file. The newest is restored into a temporary place
    every `reminders.restore_test` (else every 31 days) and looked at. Without it, nothing is."""
    traces: Annotated[str, AfterValidator(collector)] | None = None
    """Where OpenTelemetry traces of jobs and of calls to CRMs are sent: OTLP over HTTP, such as
    http://localhost:4318/v1/traces (needs the extra `traces`). Without it nothing is traced."""


class Reminders(_Block):
    """What comes round again and is said in the weekly report when it is due; 0: never."""

    access_review: DurationOrZero = timedelta(days=92)
    """How often somebody looks who may do what in the CRMs."""
    restore_test: DurationOrZero = timedelta(days=31)
    """How often a backup is restored to see whether it can be."""


class Journal(_Block):
    """How long what was written stays known in every detail."""

    keep_values: Duration = timedelta(days=90)
    """How long the values before and after are kept, and with them what undo needs. Then a line
    still says which record, which fields, which rule, when, and how it ended."""
    keep_consent_evidence: Duration = timedelta(days=1826)
    """How long it is kept that a suppression took effect: five years, as German law asks of consent
    to calls (UWG § 7a). Longer than the values, and apart from them."""


class Log(_Block):
    """Logging."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe message that is shown."""
    format: Literal["auto", "console", "json"] = "auto"
    """auto: readable on a terminal, JSON elsewhere."""


class Settings(_Block):
    """Everything that can be set, in one place."""

    version: Literal[1] = 1
    """The version of this file's format."""
    language: Language = "en"
    """Language of reports and tasks: en or fr."""
    timezone: TimeZone = ZoneInfo("UTC")
    """IANA time zone of the report's hour and of the days that rules name, for example Europe/Paris."""
    database: Annotated[str, AfterValidator(database_url), Field(repr=False)] = (
        "sqlite:///crm-steward.db"
    )
    """Where the mirror and the journal are kept; a relative path starts at this file's folder."""
    connections: dict[
        ConnectionName, Annotated[SerializeAsAny[ConnectionSettings], WrapValidator(connection)]
    ] = {}  # noqa: RUF012 -- pydantic copies a default
    """The CRM accounts, by a name of your choice."""
    token_key: SecretStr | None = None
    """Seals the access tokens in the database, and keys the hashes of people who were erased: 32
    characters or more, or several keys, the present one first. Without it a key file is made beside the SQLite file, else beside the settings."""
    database_key: SecretStr | None = None
    """Encrypts the SQLite file, its journal and its backups as a whole: 32 characters or more. Needs
    `pip install 'crm-steward[encrypt]'`. An existing database gets it by backup and restore."""
    rules: Rules = Rules()
    mail: Mail | None = None
    report: Report = Report()
    limits: Limits = Limits()
    halt: Halting = Halting()
    service: Service = Service()
    reminders: Reminders = Reminders()
    journal: Journal = Journal()
    log: Log = Log()
    folder: SkipJsonSchema[Path] = Path()
    """Where the settings file stands; set when it is read, relative paths start here."""

    @property
    def custom_fields(self) -> frozenset[str] | None:
        """Custom fields that rules may name; None when some connection cannot tell beforehand."""
        known = [one.custom_fields for one in self.connections.values()]
        return frozenset[str]().union(*(one for one in known if one)) if None not in known else None

    @property
    def abilities(self) -> Mapping[str, Ability]:
        """Connection → what it holds and can do, for those that take part."""
        known = specs()
        taking_part = ((n, one) for n, one in self.connections.items() if one.enabled)
        return {name: known[one.kind].ability(one) for name, one in taking_part}

    def writable(self, name: str) -> ConnectionSettings:
        """Return the connection that changes are to be written to, or asked about.

        Raises:
            ConfigError: It is not configured, or switched off: then nothing touches it.
        """
        one = self.connections.get(name)
        if one is None or not one.enabled:
            state = "not configured" if one is None else "switched off (`enabled: false`)"
            hint = "A change to it is not settled or was planned: bring it back, or plan anew."
            raise ConfigError([Problem(f"connection '{name}' is {state}.", hint=hint)])
        return one
