"""Web addresses: scheme and host as they are written everywhere, and why a text is none."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

_LIMIT: Final = 2_000

WEBSITE_PROBLEMS: Final = ("space inside", "an e-mail address", "bad domain", "too long")
"""What `website_problem` can answer."""

_AROUND: Final = " \t\n\r\f\v\u00a0\u200b\u202f\ufeff<>\"'"
_SCHEME: Final = re.compile(r"(https?):/{1,3}(?=[^/])", re.IGNORECASE)
_HOST_PART: Final = re.compile(r"[/?#]")
_HOST: Final = re.compile(
    r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_](?:[\w-]{0,61}[^\W_])(?::\d{1,5})?"
)


class _Reading(NamedTuple):
    clean: str | None = None
    problem: str | None = None


@lru_cache(maxsize=1_024)
def _read(text: str) -> _Reading:
    rest = text.strip(_AROUND).rstrip(".,;" + _AROUND)
    if not rest:
        return _Reading()
    scheme = "https"
    while found := _SCHEME.match(rest):
        scheme, rest = found[1].lower(), rest[found.end() :]
    if any(letter.isspace() or not letter.isprintable() for letter in rest):
        return _Reading(problem="space inside")
    host = _HOST_PART.split(rest, maxsplit=1)[0]
    path = rest[len(host) :]
    if "@" in host:
        return _Reading(problem="an e-mail address")
    lowered = host.lower().rstrip(".")
    if not _HOST.fullmatch(lowered) or lowered.lower() != lowered:
        return _Reading(problem="bad domain")
    clean = f"{scheme}://{lowered}{path}"
    return _Reading(clean if clean != text else None)


def _reading(text: str | None) -> _Reading:
    if not text:
        return _Reading()
    return _Reading(problem="too long") if len(text) > _LIMIT else _read(text)


def clean_website(text: str | None) -> str | None:
    """Return the web address with a scheme, scheme and host in small letters, nothing around it.

    Without a scheme it gets `https://`; a second scheme before another goes. Path and query keep
    their case. Nothing is guessed (`htp://`, `www,example.com`).

    Returns:
        The proposed text, or None when it reads so already or no address can be made of it.
    """
    return _reading(text).clean


def website_problem(text: str | None) -> str | None:
    """Return why the text cannot be a web address: one of WEBSITE_PROBLEMS, or None."""
    return _reading(text).problem
