"""What every connection to a hosted CRM can be told: how its fields are mapped, and how far to reach back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from crm_steward.connect.spec import ConnectionSettings, DurationOrZero
from crm_steward.model import FIELDS, MAPPABLE, Kind, Problem, SourceType, Stage


def _printable(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError("should be the field's name as the CRM writes it")
    return name


def _canonical(name: str) -> str:
    if name in MAPPABLE:
        return name
    if name in FIELDS:
        raise ValueError("is worked out from other fields: it cannot be mapped")
    guess = _guess(name, MAPPABLE) or f": {', '.join(MAPPABLE)}"
    raise ValueError(f"should be a field of ours{guess}")


CanonicalField = Annotated[
    str, AfterValidator(_canonical), WithJsonSchema({"type": "string", "enum": list(MAPPABLE)})
]
"""A canonical field's name: `first_name`, `stage`, …"""

FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
"""A custom field's name as rules write it: `extra.<name>`."""

SourceName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
"""A field's name in the CRM."""

ProofPart = Literal["purpose", "given_at", "how", "text_version", "source", "evidence"]
"""A part of the proof of a consent, beside the address and the channel."""


class CrmSettings(ConnectionSettings):
    """The part of a connection's settings that all hosted CRMs share."""

    overlap: DurationOrZero = timedelta(minutes=15)
    """How far each read of changes reaches back; covers what becomes visible late."""
    fields: dict[CanonicalField, SourceName] = Field(default_factory=dict)
    """Where a field of ours is kept in this account, if not in the usual place."""
    extra: dict[FieldName, SourceName] = Field(default_factory=dict)
    """Custom fields: the name that rules use (`extra.<name>`) → the CRM's name."""
    consent: dict[ProofPart, SourceName] = Field(default_factory=dict)
    """Fields that hold the proof of consent, where the CRM has none of its own."""
    stages: dict[str, Stage] = Field(default_factory=dict)
    """Value of the stage field → prospect, customer, former or unknown; adds to the usual ones."""
    kinds: dict[str, Kind] = Field(default_factory=dict)
    """Value of the field mapped to `kind` → b2c, b2b, sole_trader or unknown."""
    source_types: dict[str, SourceType] = Field(default_factory=dict)
    """Value of the field mapped to `source_type` → direct, third_party, public or unknown."""

    @property
    def custom_fields(self) -> frozenset[str]:
        """The custom fields that `extra` maps."""
        return frozenset(self.extra)

    @property
    def mapped(self) -> dict[str, str]:
        """Our field, canonical or `extra.<name>` → the CRM's, as far as it is mapped here."""
        return {**self.fields, **{f"extra.{name}": own for name, own in self.extra.items()}}

    @property
    def proof(self) -> dict[ProofPart, str]:
        """Part of the proof of consent → the CRM's field that holds it here."""
        return self.consent

    def unknown_fields(
        self, connection: str, title: str, schema: Collection[str]
    ) -> tuple[Problem, ...]:
        """Return a problem for each field that the settings name and the account does not have.

        Args:
            connection: The connection's name, to say where the setting stands.
            title: What people call the CRM.
            schema: The fields the account has, in the CRM's own words.
        """
        named = {
            f"connections.{connection}.{setting}.{name}": source
            for setting in ("fields", "extra", "consent")
            for name, source in getattr(self, setting).items()
        }
        return tuple(
            Problem(f"{where}: {title} has no contact field '{source}'{_guess(source, schema)}")
            for where, source in named.items()
            if source not in schema
        )


def _guess(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
