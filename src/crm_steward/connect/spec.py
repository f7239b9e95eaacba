"""What an entry point of `crm_steward.connectors` resolves to, importable without a vendor's SDK."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    WithJsonSchema,
)

from crm_steward.connect.protocol import Connector
from crm_steward.connect.tokens import MemoryVault, Token, Tokens, Vault
from crm_steward.documented import Documented
from crm_steward.model import (
    FIELDS,
    Ability,
    Capability,
    Clock,
    ConfigError,
    MergeHabits,
    Problem,
    Remedy,
    utc_now,
)

if TYPE_CHECKING:
    from crm_steward.connect.calls import Calls


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_PART = re.compile(
    r"\s*(\d{1,9})\s*(s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?|w|weeks?)(?![a-z])\s*",
    re.ASCII,
)


def read_duration(value: Any) -> Any:
    """Read `30 minutes`, `6 hours`, `1 day 12 hours`; a timedelta is taken as it is, 0 needs no unit.

    Raises:
        ValueError: It is anything else; any other bare number has no unit and is refused.
    """
    if isinstance(value, timedelta):
        return value
    if str(value).strip() == "0":
        return timedelta()
    text = value.lower() if isinstance(value, str) else ""
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text):
        raise ValueError("should be a number and a unit: 30 seconds, 15 minutes, 6 hours, 7 days")
    return sum((timedelta(**{_UNITS[unit[0]]: int(number)}) for number, unit in parts), timedelta())


def write_duration(value: timedelta) -> str:
    """Write a duration as `read_duration` reads it, in the largest unit that is whole."""
    seconds = int(value.total_seconds())
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if seconds % size == 0 and seconds >= size:
            return f"{seconds // size} {name}{'s' if seconds != size else ''}"
    return "0 seconds"


def read_texts(value: Any) -> Any:
    """Read `a, b` as a list, so that a list can be given in an environment variable."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _at_most_ten_years(value: timedelta) -> timedelta:
    if not timedelta(0) <= value <= _LONGEST:
        raise ValueError("should be at most 3660 days, and not negative")
    return value


def _not_none(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("should be longer than 0 seconds")
    return value


_TEXT = {"type": "string", "examples": ["30 minutes", "6 hours", "7 days"]}
_WRITTEN = WithJsonSchema(_TEXT)
_LONGEST = timedelta(days=3660)

DurationOrZero = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    AfterValidator(_at_most_ten_years),
    PlainSerializer(write_duration, when_used="json"),
    WithJsonSchema({"anyOf": [_TEXT, {"const": 0}]}),
]
"""A length of time written for people, or none at all: 0."""

Duration = Annotated[DurationOrZero, AfterValidator(_not_none), _WRITTEN]
"""A length of time written for people: `30 minutes`."""

Texts = Annotated[tuple[str, ...], BeforeValidator(read_texts)]
"""A list of texts, or one text with commas."""

Share = Annotated[float, Field(gt=0, le=1)]
"""A share of a whole: more than 0, at most 1."""


class ConnectionSettings(Documented):
    """What every connection can be told; a connector's own settings add to it.

    `base_url` replaces the vendor's address (an emulator or a proxy). Plain http is accepted for
    loopback only, and other hosts only when they belong to the vendor or are named in
    `allow_hosts`, so that a token never leaves for a stranger. A name that the name server leads
    into a private network is refused as well, unless `allow_hosts` names it.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    kind: str
    """Which CRM: see `crm-steward connectors`."""
    enabled: bool = True
    """Whether it takes part; a connection that is off keeps its mirror."""
    pull_every: Duration = timedelta(minutes=30)
    """How often changed contacts are fetched."""
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    """ISO code assumed for phone numbers and consent law where a contact has none."""
    base_url: str | None = None
    """Replaces the vendor's address: an emulator or a proxy."""
    allow_hosts: Texts = ()
    """Further hosts that the credential may be sent to; they alone may be in a private network."""
    timeout: Duration = timedelta(seconds=60)
    """How long one call may take."""
    burst_share: Share = 0.6
    """Share of the vendor's burst quota that may be used; the quota belongs to everybody."""
    daily_share: Share = 0.5
    """Share of the vendor's daily quota that may be used."""

    @property
    def custom_fields(self) -> frozenset[str] | None:
        """Names under which rules reach mapped custom fields (`extra.<name>`).

        None: they are not known before the source is read.
        """
        return None

    @property
    def mapped(self) -> Mapping[str, str]:
        """Our field, canonical or `extra.<name>` → the source's, as far as it is mapped here."""
        return {}

    @property
    def proof(self) -> Mapping[Any, str]:
        """Part of the proof of consent → the source's field that holds it here."""
        return {}

    def resolved(self, folder: Path) -> Self:  # noqa: ARG002 -- for kinds that name files
        """Let relative paths in it start at `folder`, where the settings file stands."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """One of the vendor's published limits.

    Args:
        name: Which calls it counts (`burst`, `search`); one of a day or longer counts them all.
        calls: How many calls; in a quota of a day or longer how many points, where the vendor
            counts those.
        per: In how long.
    """

    name: str
    calls: int
    per: timedelta

    @property
    def daily(self) -> bool:
        """Whether it counts every call of the account over a day or longer."""
        return self.per >= timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the core gives to a connection it opens.

    Args:
        connection: The configured name.
        calls: Paces, retries and times every call.
        clock: The time.
        stop: Set when the service is asked to stop.
        vault: Where access tokens are kept.
    """

    connection: str
    calls: Calls
    clock: Clock = utc_now
    stop: threading.Event = field(default_factory=threading.Event)
    vault: Vault = field(default_factory=MemoryVault)

    def tokens(self, seed: str, issue: Callable[[str], Token]) -> Tokens:
        """Return the source of this connection's access tokens.

        Args:
            seed: Names the configured credential (client id and refresh token, …); only its hash
                is kept, and with another one a stored token is not used.
            issue: Asks the vendor for a token. Given the rotated refresh token that is in force,
                or empty: then the configured one is. Raises AuthError when the vendor refuses for
                good.
        """
        return Tokens(self.connection, seed, issue, self.vault, self.clock)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorSpec:
    """All that can be known about a connector without opening it.

    Args:
        kind: Its name in settings, as an extra, and as an entry point: `hubspot`.
        title: What people call it: `HubSpot`.
        can: What it can do.
        settings: Model of its settings.
        factory: `module:function` taking `(settings, context)` and returning a Connector.
        requires: Modules of the vendor's SDK; missing ones mean the extra is not installed.
        hosts: Domains a credential may be sent to.
        quotas: The vendor's published limits.
        settle_after: How long a write may stay invisible to what settle reads.
        batch: How many changes one call of `apply` should carry.
        sandbox: `module:function` returning the emulator of the CRM, or empty.
        example: YAML of its own settings, commented, as `crm-steward init` writes them.
        access: What a person does to give access, step by step.
        credentials: Names of the secret settings that the recommended way in needs; left empty,
            those of the secret settings that must be given.
        merge_max: How many records one merge of the vendor takes, the survivor included.
        merging: What the vendor's own merge keeps of the losers; what it would lose is written to
            the survivor before.
        fixed: Canonical fields that changes cannot write as long as the settings do not say where
            they are (a company that is a record of its own).
        fields: Canonical fields that it reads without being told where they are, worked-out ones
            that it can fill included; None: not known before the source is read.
        consent_sources: The CRM's own names of fields that hold consent or an opt-out; one that
            ends in `*` stands for all that begin so.
        keeps_optouts: Whether an opt-out from e-mail hangs on the address, so that it outlives the
            record it was made on.
        remedies: Capability that it lacks → why, and what a person does instead, where undoing
            would need it.
        undeletes_within: How long the CRM's recycle bin keeps what is archived or merged away; None:
            that is not known.
    """

    kind: str
    title: str
    can: frozenset[Capability]
    settings: type[ConnectionSettings]
    factory: str
    requires: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    quotas: tuple[Quota, ...] = ()
    settle_after: timedelta = timedelta(0)
    batch: int = 100
    sandbox: str = ""
    example: str = ""
    access: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    merge_max: int = 2
    merging: MergeHabits = field(default_factory=MergeHabits)
    fixed: frozenset[str] = frozenset()
    fields: frozenset[str] | None = None
    consent_sources: frozenset[str] = frozenset()
    keeps_optouts: bool = False
    remedies: Mapping[Capability, Remedy] = field(default_factory=dict)
    undeletes_within: timedelta | None = None

    def ability(self, settings: ConnectionSettings) -> Ability:
        """Return what a connection of this kind, so configured, holds and can do."""
        proof = settings.proof
        told = {
            ours
            for ours, source in settings.mapped.items()
            if source in proof.values() or self.holds_consent(source)
        }
        fields = None
        if self.fields is not None and settings.custom_fields is not None:
            proven = {f"consent_email_{part}" for part in proof} & FIELDS.keys()
            fields = _with_computed(self.fields | settings.mapped.keys() | proven)
        return Ability(
            fields=fields,
            can=self.can,
            consent_fields=frozenset(told),
            keeps_optouts=self.keeps_optouts,
            fixed=self.fixed - settings.mapped.keys(),
            sources=settings.mapped,
            merging=self.merging,
            remedies=self.remedies,
            undeletes_within=self.undeletes_within,
        )

    def holds_consent(self, source: str) -> bool:
        """Whether the CRM's field `source` is one that holds consent or an opt-out."""
        name = source.casefold()
        return any(
            name.startswith(one[:-1].casefold()) if one.endswith("*") else name == one.casefold()
            for one in self.consent_sources
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secret settings to be asked for."""
        fields = self.settings.model_fields.items()
        required = (n for n, f in fields if f.annotation is SecretStr and f.is_required())
        return self.credentials or tuple(required)

    def open(self, settings: ConnectionSettings, context: Context) -> Connector:
        """Open a connection.

        Raises:
            ConfigError: The vendor's SDK is not installed.
        """
        module, _, name = self.factory.partition(":")
        try:
            factory: Any = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] not in self.requires:
                raise
            problem = Problem(
                f"connection '{context.connection}' needs {self.title}'s library",
                hint=f"Install it: pip install 'crm-steward[{self.kind}]'",
            )
            raise ConfigError([problem]) from error
        connector: Connector = factory(settings, context)
        return connector


def _with_computed(fields: frozenset[str]) -> frozenset[str]:
    """Add what is worked out for every connection, and what follows from the fields it has."""
    follows = {"email": "email_domain", "notes": "has_notes", "last_name": "full_name"}
    return (
        fields | {"connection", "erased_at"} | {follows[name] for name in follows if name in fields}
    )
