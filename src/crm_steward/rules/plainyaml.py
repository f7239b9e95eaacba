"""Writes values as YAML the way a person would in a rule file: flow style, few quotes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_PLAIN = re.compile(r"[^\W\d_][\w @.+/'-]*[\w.']|[^\W\d_]")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def flow(value: Any) -> str:
    """Return `value` in YAML's flow style on one line.

    Args:
        value: JSON-like values.
    """
    match value:
        case Mapping():
            return (
                "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
            )
        case list() | tuple():
            return "[" + ", ".join(map(flow, value)) + "]"
        case bool() | None:
            return json.dumps(value)
        case int() | float():
            return json.dumps(value)
        case _:
            return _text(str(value))


def _text(text: str) -> str:
    """Leave a word or a few words as they are; put everything else in quotes."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain and text.isprintable() else json.dumps(text, ensure_ascii=False)
