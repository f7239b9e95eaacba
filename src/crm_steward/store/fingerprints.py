"""`model.fingerprint` in DuckDB's SQL: the identity of a finding, worked out on whole columns."""

from __future__ import annotations

_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_ESCAPES = {
    "\\": "\\\\",
    '"': '\\"',
    **{chr(code): _SHORT.get(chr(code), f"\\u{code:04x}") for code in range(1, 32)},
}
"""What JSON escapes, the backslash first; NUL is never stored."""


def fingerprint_sql(rule: str, refs: str, about: str) -> str:
    """Return SQL for the fingerprint of a finding.

    Args:
        rule: SQL of the rule's id.
        refs: SQL of the records, a list of {connection, id}.
        about: SQL of what tells it apart.
    """
    named = f"list_sort(list_transform({refs}, lambda ref: {_name('ref')}))"
    several = f"list_transform({named}, lambda name: {_json('name')})"
    joined = f"list_aggregate({several}, 'string_agg', ', ')"
    # Most findings are about one record: no list is made for those.
    listed = f"CASE WHEN len({refs}) = 1 THEN {_json(_name(f'{refs}[1]'))} ELSE {joined} END"
    content = f"concat('[', {_json(rule)}, ', [', {listed}, '], ', {_json(about)}, ']')"
    return f"left(sha256({content}), 32)"


def _name(ref: str) -> str:
    return f"concat({ref}.connection, ':', {ref}.id)"


def _json(text: str) -> str:
    """Return SQL for `text` as JSON writes it; the long way only for what has to be escaped."""
    escaped = text
    for letter, escape in _ESCAPES.items():
        escaped = f"replace({escaped}, chr({ord(letter)}), '{escape}')"
    odd = f"regexp_matches({text}, '[\\x01-\\x1f\"\\\\]')"
    return f"concat('\"', CASE WHEN {odd} THEN {escaped} ELSE {text} END, '\"')"
