"""Texts of a rule: in one language or in both, with `{field}` placeholders from a fixed list.

The substitution is our own and knows nothing but names: no attributes, no indexes, no formats,
no second pass over what was put in, so a value from the CRM cannot become an instruction.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from crm_steward.model import FIELDS, Contact, FieldType
from crm_steward.rules.block import Block
from crm_steward.rules.sql import EXTRA

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_SPACES = re.compile(r"\s+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")
_LONGEST_VALUE = 120


class Text(Block):
    """A text for people, in English and French; plain text stands for both."""

    en: Annotated[str, Field(min_length=1, max_length=2000)]
    """For English readers."""
    fr: Annotated[str, Field(min_length=1, max_length=2000)]
    """For French readers."""

    def in_language(self, language: str) -> str:
        """Return it in `language` ("en" or "fr")."""
        return self.fr if language == "fr" else self.en


class Template(Text):
    """A text with placeholders such as `{first_name}`."""

    @model_validator(mode="after")
    def _known_placeholders(self, info: ValidationInfo) -> Self:
        for language in ("en", "fr"):
            for token in _TOKEN.finditer(self.in_language(language)):
                _check_token(token, info)
        return self

    def fill(self, contact: Contact, language: str) -> str:
        """Return the text with each placeholder replaced by what the contact holds.

        Values are put on one line, cut at 120 characters and stripped of control and direction
        characters; times show their day. `{full_name}` falls back to the names, the e-mail, then the record's id.
        """
        pieces = _pieces(self.in_language(language))
        return "".join([_shown(contact, name) if name else text for text, name in pieces]).strip()


@lru_cache(maxsize=2_000)
def _pieces(text: str) -> tuple[tuple[str, str], ...]:
    """Cut a text with placeholders into its pieces: words, or the name of a field."""
    pieces: list[tuple[str, str]] = []
    at = 0
    for token in _TOKEN.finditer(text):
        braces = token[0][0] if token[0] in {"{{", "}}"} else ""
        pieces += [(text[at : token.start()] + braces, ""), ("", token[1] or "")]
        at = token.end()
    return (*(piece for piece in pieces if any(piece)), (text[at:], ""))


def _check_token(token: re.Match[str], info: ValidationInfo) -> None:
    name = token[1]
    if token[0] in {"{", "}"}:
        raise PydanticCustomError("brace", "brace")
    custom = (info.context or {}).get("custom_fields")
    if name is None or name in FIELDS:
        return
    if name.startswith(EXTRA) and (custom is None or name.removeprefix(EXTRA) in custom):
        return
    raise PydanticCustomError("placeholder", "placeholder", {"value": name, "known": tuple(FIELDS)})


def _shown(contact: Contact, name: str) -> str:
    held = contact.value(name)
    if name == "full_name" and not held:
        names = " ".join(part for part in (contact.first_name, contact.last_name) if part)
        held = names or contact.value("email") or contact.ref.id
    text = "" if held is None else str(held)
    if name in FIELDS and FIELDS[name].type is FieldType.TIME:
        text = text.partition("T")[0]
    text = text[: _LONGEST_VALUE * 4]
    if not text.isprintable() or "  " in text:  # else neither finds anything
        text = _SPACES.sub(" ", _UNPRINTABLE.sub(" ", text))
    text = text.strip()
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _both(value: Any) -> Any:
    if isinstance(value, str):
        return {"en": value, "fr": value}
    if isinstance(value, dict | Text):
        return value
    raise PydanticCustomError("text_shape", "text")


_WRITTEN = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": 2000},
        {
            "type": "object",
            "properties": {
                "en": {"type": "string", "minLength": 1, "description": "For English readers."},
                "fr": {"type": "string", "minLength": 1, "description": "For French readers."},
            },
            "required": ["en", "fr"],
            "additionalProperties": False,
        },
    ]
}

LocalText = Annotated[Text, BeforeValidator(_both), WithJsonSchema(_WRITTEN)]
LocalTemplate = Annotated[Template, BeforeValidator(_both), WithJsonSchema(_WRITTEN)]
