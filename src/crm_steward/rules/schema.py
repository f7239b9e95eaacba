"""The JSON Schemas of rule files and of the register, so that an editor completes and explains every key."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from crm_steward.model import Severity
from crm_steward.rules.durations import Duration
from crm_steward.rules.registerfile import RegisterFile
from crm_steward.rules.rule import RuleFile

_DIALECT = "http://json-schema.org/draft-07/schema#"


class _Plain(GenerateJsonSchema):
    """Simple keywords only: the YAML language server reads draft 7."""

    def generate(self, schema: Any, mode: Any = "validation") -> dict[str, Any]:
        """Name the dialect."""
        return {"$schema": _DIALECT, **super().generate(schema, mode)}

    def encode_default(self, dft: Any) -> Any:
        """Show a default as an author writes it."""
        match dft:
            case Severity():
                return dft.label
            case Duration():
                return str(dft)
            case _:
                return super().encode_default(dft)


def rules_schema() -> dict[str, Any]:
    """Return the JSON Schema of a rule file."""
    return _schema_of(RuleFile)


def register_schema() -> dict[str, Any]:
    """Return the JSON Schema of a register of processing activities."""
    return _schema_of(RegisterFile)


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    tidied: dict[str, Any] = _tidied(model.model_json_schema(schema_generator=_Plain))
    return tidied


def _tidied(part: Any) -> Any:
    """Drop what says nothing to an author: titles, `null` defaults, OpenAPI's discriminators."""
    if isinstance(part, list):
        return [_tidied(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {key: _tidied(value) for key, value in part.items() if not _idle(key, value)}


def _idle(key: str, value: Any) -> bool:
    # A key of rules may be called `title` too: then its value is a schema, not a text.
    return (
        (key == "title" and isinstance(value, str))
        or (key == "default" and value is None)
        or key == "discriminator"
    )
