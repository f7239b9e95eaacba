"""`model.fingerprint` in DuckDB's SQL: the identity of a finding, worked out on whole columns."""

from __future__ import annotations


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
    """Return SQL for `text` as Python's `json` writes it; letter by letter only where it must be.

    DuckDB's writer differs in one thing: it writes the codes of control characters in capitals.
    """
    odd = "regexp_matches(c, '^[\\x01-\\x1f]$')"
    letter = f"CASE WHEN {odd} THEN lower(to_json(c)::VARCHAR) ELSE to_json(c)::VARCHAR END"
    letters = f"list_transform(string_split({text}, ''), lambda c: ({letter})[2:-2])"
    spelt = f"concat('\"', list_aggregate({letters}, 'string_agg', ''), '\"')"
    plain = f"concat('\"', {text}, '\"')"
    return (
        f"CASE WHEN NOT regexp_matches({text}, '[\\x01-\\x1f\"\\\\]') THEN {plain} "
        f"WHEN regexp_matches({text}, '[\\x01-\\x1f]') THEN {spelt} ELSE to_json({text})::VARCHAR END"
    )
