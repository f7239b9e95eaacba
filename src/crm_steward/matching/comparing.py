"""Compare: what two contacts say of each other, comparison by comparison, as named levels.

Names come first, on narrow rows: they rule out half of the pairs before the wide rows are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from crm_steward.matching.blocking import BORN, EMAIL, LOCAL, PHONE
from crm_steward.matching.work import Work

LONG: Final = 8
"""Letters from which two slips are forgiven instead of one."""
_CLOSE: Final = 0.85
"""Jaro-Winkler similarity below which two words are never one misspelt. Edit distance, which costs
more, is asked only above it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One thing that is compared.

    Args:
        name: As weights and explanations call it.
        column: Of `matching.compared`; 0 says that one of the two has no value.
        levels: Number of the level → its name.
    """

    name: str
    column: str
    levels: Mapping[int, str]


def _levels(*names: str) -> Mapping[int, str]:
    return MappingProxyType(dict(enumerate(names, start=1)))


_EMAILS: Final = _levels(
    "same, named after the person",
    "same",
    "same, of a function",
    "misspelt",
    "same name at another provider",
    "private and business",
    "of a function and another",
    "two of one company",
    "two private ones",
    "two companies",
)
_PLACES: Final = _levels(
    "same address",
    "similar street, same postcode",
    "same city",
    "same postcode",
    "same city, other street",
    "other city",
)

COMPARISONS: Final = (
    Comparison(
        "first name",
        "first",
        _levels("same", "nickname or other spelling", "misspelt", "initial", "part", "other"),
    ),
    Comparison("last name", "last", _levels("same", "misspelt", "part", "initial", "other")),
    Comparison("swapped names", "swapped", _levels("same", "misspelt", "initial")),
    Comparison("e-mail", "email", _EMAILS),
    Comparison("e-mail, other company", "email_moved", _EMAILS),
    Comparison("number in the e-mail", "digits", _levels("same", "other")),
    Comparison("phone", "number", _levels("same", "misspelt", "other")),
    Comparison("company", "company", _levels("same", "same domain", "similar", "other")),
    Comparison("place", "place", _PLACES),
    Comparison("place, other company", "place_moved", _PLACES),
    Comparison("birth date", "born", _levels("same", "misspelt", "other")),
)
"""Everything that is compared. Somebody who changed companies has another e-mail, another address
and another phone by that one event: those are weighed apart where the companies differ."""


def _stem(word: str) -> str:
    single = word
    for letter in "lnt":
        single = f"replace({single}, '{letter}{letter}', '{letter}')"
    return f"regexp_replace({single}, '[aeo]$', '')"


def _genders(left: str, right: str) -> str:
    """Return SQL: whether two names are a masculine and its feminine, which are two people's."""
    return f"(right({left}, 1) <> right({right}, 1) AND {_stem(left)} = {_stem(right)})"


def _misspelt(left: str, right: str) -> str:
    slips = f"CASE WHEN least(length({left}), length({right})) >= {LONG} THEN 2 ELSE 1 END"
    return (
        f"(jaro_winkler_similarity({left}, {right}) >= {_CLOSE} "
        f"AND damerau_levenshtein({left}, {right}) <= {slips})"
    )


def _part(left: str, right: str) -> str:
    """Return SQL: whether one name is some of the other's words, at its beginning or end."""
    return (
        f"((contains({left}, ' ') OR contains({right}, ' ')) AND ("
        f"starts_with({left}, {right} || ' ') OR starts_with({right}, {left} || ' ') "
        f"OR ends_with({left}, ' ' || {right}) OR ends_with({right}, ' ' || {left})))"
    )


def _initial(left: str, right: str) -> str:
    return f"(least(length({left}), length({right})) = 1 AND {left}[1] = {right}[1])"


_ONE_SET: Final = " OR ".join(f"l.set{n} IN (r.set1, r.set2, r.set3)" for n in (1, 2, 3))
_FIRST_WORDS: Final = ("coalesce(l.first_word, l.first)", "coalesce(r.first_word, r.first)")

_FIRST: Final = f"""CASE
    WHEN l.first IS NULL OR r.first IS NULL THEN 0
    WHEN l.first = r.first THEN 1
    WHEN {_ONE_SET} THEN CASE WHEN {_FIRST_WORDS[0]} = {_FIRST_WORDS[1]} THEN 5 ELSE 2 END
    WHEN least(length(l.first), length(r.first)) = 1
        THEN CASE WHEN l.first[1] = r.first[1] THEN 4 ELSE 6 END
    WHEN replace(l.first, ' ', '') = r.initials OR replace(r.first, ' ', '') = l.initials THEN 4
    WHEN {_part("l.first", "r.first")} OR (least(length(l.first), length(r.first)) > 2
        AND (starts_with(l.first, r.first) OR starts_with(r.first, l.first))
        AND NOT {_genders("l.first", "r.first")}) THEN 5
    WHEN {_misspelt("l.first", "r.first")} AND NOT {_genders("l.first", "r.first")}
        AND NOT {_genders(*_FIRST_WORDS)} THEN 3
    WHEN (l.first_word IS NOT NULL OR r.first_word IS NOT NULL)
        AND {_misspelt(*_FIRST_WORDS)} AND NOT {_genders(*_FIRST_WORDS)} THEN 5
    ELSE 6 END"""

_LAST: Final = f"""CASE
    WHEN l.last IS NULL OR r.last IS NULL THEN 0
    WHEN l.last = r.last THEN 1
    WHEN {_part("l.last", "r.last")} THEN 3
    WHEN {_initial("l.last", "r.last")} THEN 4
    WHEN {_misspelt("l.last", "r.last")} THEN 2
    ELSE 5 END"""

_SWAPPED: Final = f"""CASE
    WHEN l.first = r.last AND l.last = r.first THEN 1
    WHEN l.first = r.last THEN CASE WHEN {_misspelt("l.last", "r.first")} THEN 2
        WHEN {_initial("l.last", "r.first")} THEN 3 ELSE 0 END
    WHEN l.last = r.first THEN CASE WHEN {_misspelt("l.first", "r.last")} THEN 2
        WHEN {_initial("l.first", "r.last")} THEN 3 ELSE 0 END
    ELSE 0 END"""

_STRONG: Final = EMAIL | PHONE | LOCAL | BORN

_NAMED: Final = f"""
CREATE OR REPLACE TABLE matching.named AS
SELECT * FROM (
    SELECT c.*, {_FIRST}::UTINYINT AS first, {_LAST}::UTINYINT AS last,
        CASE WHEN l.first = r.first OR l.last = r.last THEN 0 ELSE {_SWAPPED} END::UTINYINT AS swapped,
        least(l.first_bits, r.first_bits) AS first_bits, least(l.last_bits, r.last_bits) AS last_bits,
        least(l.first_bits + l.last_bits, r.first_bits + r.last_bits) AS swapped_bits,
        least(l.base_bits, r.base_bits) AS base_bits,
        coalesce(l.first, l.last, r.first, r.last) IS NULL AS nameless
    FROM matching.candidates c JOIN matching.rows l ON l.n = c.l JOIN matching.rows r ON r.n = c.r
) WHERE $all OR shared & {_STRONG} <> 0 OR swapped > 0
    -- Without an e-mail, a phone or a birth date in common, two names have to agree.
    OR (first < 6 AND last < 5)
"""

_NUMBER_OF: Final = {side: f"coalesce({side}.number1, {side}.number2)" for side in "lr"}
_NEAR_NUMBER: Final = (
    f"length({_NUMBER_OF['l']}) = length({_NUMBER_OF['r']}) "
    f"AND jaro_winkler_similarity({_NUMBER_OF['l']}, {_NUMBER_OF['r']}) > 0.9 "
    f"AND damerau_levenshtein({_NUMBER_OF['l']}, {_NUMBER_OF['r']}) = 1"
)
_NEAR_LOCAL: Final = (
    "l.domain = r.domain AND least(length(l.local), length(r.local)) > 4 "
    "AND abs(length(l.local) - length(r.local)) < 2 "
    f"AND jaro_winkler_similarity(l.local, r.local) >= {_CLOSE} "
    "AND damerau_levenshtein(l.local, r.local) = 1 AND l.digits IS NOT DISTINCT FROM r.digits"
)
_DATE_PARTS: Final = " + ".join(
    f"({part}(l.born) = {part}(r.born))::INTEGER" for part in ("year", "month", "day")
)
_TURNED: Final = (
    "year(l.born) = year(r.born) AND month(l.born) = day(r.born) AND day(l.born) = month(r.born)"
)

_EMAIL: Final = f"""CASE
    WHEN l.email IS NULL OR r.email IS NULL THEN 0
    WHEN shared & {EMAIL} <> 0 THEN CASE
        WHEN l.email = r.email AND l.role THEN 3
        -- What is shared may be another of their addresses: whose it is, is known of the first only.
        WHEN l.own AND (l.email = r.email OR contains(r.other_emails, '"' || l.email || '"')) THEN 1
        WHEN r.own AND (l.email = r.email OR contains(l.other_emails, '"' || r.email || '"')) THEN 1
        ELSE 2 END
    -- Shared by too many to be compared for it: neither for nor against.
    WHEN l.email = r.email THEN 0
    WHEN l.local = r.local AND length(l.local) > 3 AND NOT l.role THEN 5
    WHEN NOT l.role AND NOT r.role AND {_NEAR_LOCAL} THEN 4
    WHEN l.role OR r.role THEN 7
    WHEN l.private AND r.private THEN 9
    WHEN l.private OR r.private THEN 6
    WHEN l.domain = r.domain THEN 8
    ELSE 10 END"""

_NUMBER: Final = f"""CASE
    WHEN {_NUMBER_OF["l"]} IS NULL OR {_NUMBER_OF["r"]} IS NULL THEN 0
    WHEN shared & {PHONE} <> 0 THEN 1
    -- Shared by too many to be compared for it: neither for nor against.
    WHEN l.number1 IN (r.number1, r.number2) OR l.number2 IN (r.number1, r.number2) THEN 0
    WHEN {_NEAR_NUMBER} THEN 2
    ELSE 3 END"""

_COMPANY: Final = f"""CASE
    WHEN l.company = r.company THEN 1
    -- That one e-mail has one domain is no second evidence.
    WHEN l.domain = r.domain AND NOT l.private AND (l.email <> r.email OR l.role) THEN 2
    WHEN l.company IS NULL OR r.company IS NULL THEN 0
    WHEN {_part("l.company", "r.company")}
        OR jaro_winkler_similarity(l.company, r.company) >= 0.92 THEN 3
    ELSE 4 END"""

_PLACE: Final = """CASE
    WHEN l.address = r.address THEN 1
    WHEN l.postcode = r.postcode AND jaro_winkler_similarity(l.street, r.street) >= 0.9 THEN 2
    WHEN l.city = r.city THEN CASE WHEN l.street IS NULL OR r.street IS NULL THEN 3 ELSE 5 END
    WHEN l.postcode = r.postcode THEN 4
    WHEN l.city IS NULL OR r.city IS NULL THEN 0
    ELSE 6 END"""

_BORN: Final = f"""CASE
    WHEN l.born IS NULL OR r.born IS NULL THEN 0
    WHEN l.born = r.born THEN 1
    WHEN ({_TURNED}) OR {_DATE_PARTS} = 2 THEN 2
    ELSE 3 END"""

_COMPARED: Final = f"""
CREATE OR REPLACE TABLE matching.compared AS
SELECT * EXCLUDE (any_email, any_place),
    (CASE WHEN company = 4 THEN 0 ELSE any_email END)::UTINYINT AS email,
    (CASE WHEN company = 4 THEN any_email ELSE 0 END)::UTINYINT AS email_moved,
    (CASE WHEN company = 4 THEN 0 ELSE any_place END)::UTINYINT AS place,
    (CASE WHEN company = 4 THEN any_place ELSE 0 END)::UTINYINT AS place_moved
FROM (
    SELECT c.* EXCLUDE (shared), {_EMAIL} AS any_email,
        (CASE WHEN l.email = r.email OR l.digits IS NULL OR r.digits IS NULL THEN 0
            WHEN l.digits = r.digits THEN 1 ELSE 2 END)::UTINYINT AS digits,
        ({_NUMBER})::UTINYINT AS number, ({_COMPANY})::UTINYINT AS company,
        least(CASE WHEN l.company = r.company THEN l.company_holders END,
            CASE WHEN l.domain = r.domain THEN l.domain_holders END,
            CASE WHEN l.company <> r.company
                THEN 4 * greatest(l.company_holders, r.company_holders) END) AS company_holders,
        {_PLACE} AS any_place,
        CASE WHEN l.address = r.address THEN l.address_holders
            WHEN l.postcode = r.postcode
                AND (l.city = r.city AND l.city_holders < l.postcode_holders) IS NOT TRUE
                THEN l.postcode_holders
            WHEN l.city = r.city THEN l.city_holders END AS place_holders,
        ({_BORN})::UTINYINT AS born
    FROM matching.named c JOIN matching.rows l ON l.n = c.l JOIN matching.rows r ON r.n = c.r
)
"""


def compare(work: Work, *, all_: bool = False) -> None:
    """Make `matching.compared` of `matching.candidates`: a level of each comparison, pair by pair.

    Args:
        work: Holds `matching.rows` and `matching.candidates`.
        all_: Keep the pairs too that names rule out.
    """
    work.run(_NAMED, all=all_)
    work.run(_COMPARED)
    work.run("DROP TABLE matching.named")
