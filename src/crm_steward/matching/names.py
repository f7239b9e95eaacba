"""How alike two names are, as SQL.

Names are compared word by word, never as one string: families share a last name and a telephone,
and `jean martin` is 0.96 alike `jeanne martin`. The least alike of the words decides.
"""

from __future__ import annotations

from typing import Final

SIMILAR_NAME: Final = 0.92
"""Jaro-Winkler similarity from which two words may be one name misspelt (`jean`, `jaen`: 0.925;
`philippe`, `philipe`: 0.98) and below which they are two (`marc`, `mark`: 0.88)."""

LONG_NAME: Final = 8
"""Letters from which two slips are forgiven instead of one. Jaro-Winkler alone is too kind to names
that begin alike: `marie` and `martine` score 0.93."""

TWO_NAMES: Final = 0.85
"""What is left of a likeness that edit distance or gender denies."""


def _stem(word: str) -> str:
    single = word
    for letter in "lnt":
        single = f"replace({single}, '{letter}{letter}', '{letter}')"
    return f"regexp_replace({single}, '[aeo]$', '')"


def _alike(left: str, right: str) -> str:
    """Return SQL for how alike two words are; a masculine and its feminine are two names.

    `louis` and `louise`, `jean` and `jeanne`, `mario` and `maria` are closer than most misspellings
    are, and share a telephone more often than chance has it.
    """
    likeness = f"jaro_winkler_similarity({left}, {right})"
    slips = f"CASE WHEN least(length({left}), length({right})) >= {LONG_NAME} THEN 2 ELSE 1 END"
    genders = f"(right({left}, 1) <> right({right}, 1) AND {_stem(left)} = {_stem(right)})"
    return f"""CASE
        WHEN {likeness} < {SIMILAR_NAME} OR {left} = {right} THEN {likeness}
        WHEN damerau_levenshtein({left}, {right}) > {slips} OR {genders} THEN {TWO_NAMES}
        ELSE {likeness}
    END"""


def similarity(left: str, right: str) -> str:
    """Return SQL for how alike the names of two rows are: 0 to 1, NULL when one has none.

    First and last name may be swapped. Where one of them is missing (a CRM that keeps the full
    name, a record that knows the last name only), the words of both are compared in order.

    Args:
        left: Alias of a row with `first_name_key`, `last_name_key` and `name_key`.
        right: Alias of the other.
    """
    first = [f"{alias}.first_name_key" for alias in (left, right)]
    last = [f"{alias}.last_name_key" for alias in (left, right)]
    whole = [f"{alias}.name_key" for alias in (left, right)]
    words = [f"string_split({name}, ' ')" for name in whole]
    straight = f"least({_alike(*first)}, {_alike(*last)})"
    swapped = f"least({_alike(first[0], last[1])}, {_alike(last[0], first[1])})"
    in_order = (
        f"list_min(list_transform(list_zip({words[0]}, {words[1]}), "
        f"lambda w: {_alike('w[1]', 'w[2]')}))"
    )
    return f"""CASE
        WHEN {whole[0]} IS NULL OR {whole[1]} IS NULL THEN NULL
        WHEN {whole[0]} = {whole[1]} THEN 1
        WHEN {first[0]} IS NOT NULL AND {last[0]} IS NOT NULL
            AND {first[1]} IS NOT NULL AND {last[1]} IS NOT NULL
            THEN greatest({straight}, {swapped})
        WHEN len({words[0]}) = len({words[1]}) THEN {in_order}
        ELSE least({TWO_NAMES}, jaro_winkler_similarity({whole[0]}, {whole[1]}))
    END"""
