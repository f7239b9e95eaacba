"""Chance in SQL: everything drawn is a hash of who it is drawn for, so that order and threads do not matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import duckdb

_KEYS: Final = "abcdefghijklmnopqrstuvwxyz"
_BESIDE: Final = (
    "snvfrdghuhjknjipwtdygbesuz",
    "qvxsdghjojklmboolaertyvqzt",
    "zbfewcfyikmpkmkltfdrhcsdhx",
)
"""Letters beside each of `_KEYS` on a keyboard: three tables to choose from."""


def quoted(text: str) -> str:
    """Return `text` as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def words_of(text: str) -> list[str]:
    """Return the words of a list written as running text; an underscore is a space in a word."""
    return [word.replace("_", " ") for word in text.split()]


def listed(words: Iterable[str]) -> str:
    """Return words as a list literal of SQL."""
    return "[" + ", ".join(quoted(word) for word in words) + "]"


def by_case(on: str, arms: Mapping[str, str]) -> str:
    """Return SQL that chooses the expression of the value that `on` has."""
    return f"CASE {on} " + " ".join(f"WHEN {quoted(k)} THEN {v}" for k, v in arms.items()) + " END"


def weighted(chance: str, weights: Mapping[str, float] | Sequence[float]) -> str:
    """Return SQL that chooses a key of `weights` (a place from 1 in a list) by a chance of 0 to 1."""
    pairs = (
        [(quoted(key), w) for key, w in weights.items()]
        if isinstance(weights, Mapping)
        else [(str(place), w) for place, w in enumerate(weights, 1)]
    )
    total, below, arms = sum(w for _, w in pairs), 0.0, []
    for key, weight in pairs[:-1]:
        below += weight / total
        arms.append(f"WHEN c < {below:.6f} THEN {key}")
    chosen = f"CASE {' '.join(arms)} ELSE {pairs[-1][0]} END" if arms else pairs[-1][0]
    return f"list_transform([{chance}], lambda c: {chosen})[1]" if arms else chosen


def define(con: duckdb.DuckDBPyConnection, seed: int) -> None:
    """Create the macros of chance and of misspelling.

    Args:
        con: Where.
        seed: Of all chance.
    """
    a, b, c = (f"translate(x, '{_KEYS}', '{beside}')" for beside in _BESIDE)
    macros = {
        "h(i, salt)": f"hash(xor(i::UBIGINT, hash(salt || '{seed}')))",
        "u(i, salt)": "(h(i, salt) >> 11) / 9007199254740992.0",
        "pick(i, salt, n)": "(h(i, salt) % (n)::UBIGINT)::BIGINT",
        "zipf(chance, q, n)": "floor((q) * pow(((n) + (q)) / (q), chance) - (q))::BIGINT",
        "of_list(l, i)": "list_extract(l, (i) % len(l) + 1)",
        "beside(x, w)": f"CASE w WHEN 0 THEN {a} WHEN 1 THEN {b} ELSE {c} END",
        "slip_at(t, p, kind, w)": """CASE kind
            WHEN 0 THEN left(t, p) || beside(lower(substr(t, p, 1)), w) || substr(t, p + 1)
            WHEN 1 THEN left(t, p - 1) || substr(t, p + 1)
            WHEN 2 THEN left(t, p - 1) || beside(lower(substr(t, p, 1)), w) || substr(t, p + 1)
            ELSE left(t, p - 1) || substr(t, p + 1, 1) || substr(t, p, 1) || substr(t, p + 2) END""",
        # The first letter is seldom the wrong one.
        "slip(t, i, salt)": """CASE WHEN length(t) < 4 THEN t ELSE slip_at(t,
            2 + pick(i, salt || 'place', length(t) - 2), pick(i, salt || 'kind', 4),
            pick(i, salt || 'key', 3)) END""",
        "without_accents(t)": """strip_accents(replace(replace(replace(replace(replace(t,
            'ß', 'ss'), 'ł', 'l'), 'Ł', 'L'), '\u0131', 'i'), '\u0130', 'I'))""",
        "slug(t)": "translate(lower(without_accents(t)), ' .&-/''', '')",
    }
    for head, body in macros.items():
        con.execute(f"CREATE OR REPLACE MACRO {head} AS ({body})")
