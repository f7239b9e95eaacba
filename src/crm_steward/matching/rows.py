"""Rows: each contact as matching compares it, with how common its values are in this base.

A name that a thousand people bear proves less than one that two bear. Every count here is of this
base, so that what is evidence among ten thousand contacts is not taken for it among ten million.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from crm_steward.matching.given_names import TITLES, given_names
from crm_steward.matching.providers import PRIVATE_PROVIDERS
from crm_steward.matching.work import Work
from crm_steward.model import COMPARED
from crm_steward.normalize import ROLE_NAMES

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS: Final = ("connection", "id", *COMPARED)
"""What matching reads of a contact."""

BACKGROUND: Final = 1_000
"""People whose names count without being in the base: among three contacts too, a name is no proof
just because nobody else there bears it."""

_PROVIDES: Final = (20, 0.002)
"""A domain of more contacts than this, and this share of the base, is a provider's, not a firm's."""

_TITLES: Final = f"^(({'|'.join(TITLES)}) )+"
_FAMILIES: Final = ["family", "famille", "familie", "familia", "famiglia"]
_FOLD: Final = r"'([aou])e+', '\1', 'g'"
"""What `normalize.name_key` does to umlauts, so that a name is found in an address."""

_PEOPLE: Final = f"""
CREATE TABLE matching.plain AS
WITH named AS (
    SELECT connection, id, country_code AS country,
        CASE WHEN first_name_key IS NULL
                THEN CASE WHEN last_name_key IS NULL THEN split_part(name_key, ' ', 1) END
            WHEN contains(first_name_key, ' ') THEN regexp_replace(first_name_key, $titles, '')
            ELSE first_name_key END AS first,
        CASE WHEN last_name_key IS NOT NULL THEN last_name_key
            WHEN first_name_key IS NULL AND contains(name_key, ' ')
                THEN substr(name_key, strpos(name_key, ' ') + 1) END AS last,
        email_key AS email, email_keys, split_part(email_key, '@', 1) AS local,
        split_part(email_key, '@', 2) AS domain,
        phone_key AS number1, nullif(mobile_key, phone_key) AS number2, phone_keys,
        company_key AS company, street_key AS street, postcode_key AS postcode, city_key AS city,
        birth_date::DATE AS born
    FROM {{source}} WHERE {{where}}
),
parted AS (
    SELECT *, split_part(local, '.', 1) AS before, split_part(local, '.', 2) AS after,
        (first IS NULL OR length(first) = 1) AND contains(local, '.') AND last IS NOT NULL AS lacks
    FROM named
)
SELECT (row_number() OVER ())::INTEGER AS place, * EXCLUDE (before, after, lacks) REPLACE (
    -- The address says the given name that the record lacks: zoe.martin@, martin.zoe12@.
    CASE WHEN lacks IS NOT TRUE THEN first
        WHEN starts_with(after, last[:6]) AND regexp_full_match(before, $word)
            AND NOT list_contains($families, before) AND coalesce(first, before[1]) = before[1]
            THEN regexp_replace(before, {_FOLD})
        WHEN starts_with(before, last[:6]) AND regexp_full_match(after, $word_and_number)
            AND coalesce(first, after[1]) = after[1]
            THEN regexp_replace(regexp_extract(after, '[a-z]+'), {_FOLD})
        ELSE first END AS first)
FROM parted
"""

_RECORDS: Final = """
CREATE TABLE matching.records AS
SELECT (row_number() OVER (ORDER BY connection, id))::INTEGER AS n, place, connection, id
FROM matching.plain
"""


_ADDRESS: Final = "hash(street, coalesce(postcode, city))"
_COUNTED: Final = {
    **{
        what: f"CASE WHEN {what} IS NOT NULL THEN hash({what}) END"
        for what in ("first", "last", "domain", "company", "city", "postcode", "country")
    },
    "address": f"CASE WHEN street IS NOT NULL AND coalesce(postcode, city) IS NOT NULL THEN {_ADDRESS} END",
}
"""What is counted, and SQL of what stands for a value of it."""
_EVERYBODY: Final = "everybody"
_NUMBER: Final = {what: number for number, what in enumerate((*_COUNTED, _EVERYBODY))}

_COUNTS: Final = "CREATE TABLE matching.counts (kind UTINYINT, value UBIGINT, holders INTEGER)"
_COUNT: Final = """
INSERT INTO matching.counts SELECT {number}, value, count(*) FROM (SELECT {value} AS value FROM matching.plain)
WHERE value IS NOT NULL GROUP BY value HAVING count(*) > {more_than}
"""
_COUNT_ALL: Final = (
    f"INSERT INTO matching.counts SELECT {_NUMBER[_EVERYBODY]}, 0, count(*) FROM matching.plain"
)


def _holders(what: str) -> str:
    """Return SQL for how many contacts hold each value, where they are several."""
    return f"(SELECT value, holders FROM matching.counts WHERE kind = {_NUMBER[what]})"


_ROWS: Final = f"""
CREATE TABLE matching.rows AS
WITH lettered AS (
    SELECT *, CASE WHEN contains(local, '.') OR contains(local, '_') OR contains(local, '-')
            THEN translate(local, '._-', '') ELSE local END AS letters,
        {_COUNTED["address"]} AS address
    FROM matching.plain JOIN (SELECT n, place FROM matching.records) USING (place)
),
folded AS (
    SELECT * REPLACE (CASE WHEN contains(letters, 'ae') OR contains(letters, 'oe') OR contains(letters, 'ue')
            THEN regexp_replace(letters, {_FOLD})
        ELSE letters END AS letters) FROM lettered
)
SELECT p.n, p.connection, p.first, p.last,
    CASE WHEN p.first IS NOT NULL AND p.last IS NOT NULL
        THEN hash(least(p.first, p.last), greatest(p.first, p.last)) END AS names,
    hash(coalesce(g.set1::VARCHAR, split_part(p.first, ' ', 1))) AS given,
    CASE WHEN contains(p.first, ' ') THEN split_part(p.first, ' ', 1) END AS first_word,
    CASE WHEN contains(p.first, ' ')
        THEN p.first[1] || split_part(p.first, ' ', 2)[1] END AS initials,
    g.set1, g.set2, g.set3,
    -- log2 of one in how many people of the country bears the name.
    log2((coalesce(sizes.holders, $size) + {BACKGROUND}) / (coalesce(f.holders, 1) + 1.0))::FLOAT AS first_bits,
    log2((coalesce(sizes.holders, $size) + {BACKGROUND}) / (coalesce(l.holders, 1) - 0.8))::FLOAT AS last_bits,
    log2(coalesce(sizes.holders, $size) + {BACKGROUND})::FLOAT AS base_bits,
    p.email, CASE WHEN p.email_keys LIKE '%,%' THEN p.email_keys END AS other_emails,
    p.local, p.local IS NOT NULL AND p.local IN (SELECT unnest($roles)) AS role,
    CASE WHEN p.local <> translate(p.local, '0123456789', '')
        THEN regexp_replace(p.local, '[^0-9]', '', 'g') END AS digits,
    -- Whose mailbox it is: jdoe@, john.doe@, doej@ for John Doe, not family.doe@.
    coalesce(p.letters = p.first[1] || p.last[1]
        OR (length(p.first) > 2 AND contains(p.letters, split_part(p.first, ' ', 1)))
        OR starts_with(p.letters, p.first[1] || p.last[:5])
        OR starts_with(p.letters, p.last || p.first[1])
        OR (starts_with(p.letters, p.first[:2]) AND contains(p.letters, p.last[:5])), false) AS own,
    p.domain, coalesce(d.holders, 1)::INTEGER AS domain_holders,
    coalesce(p.domain IN (SELECT unnest($providers))
        OR d.holders > {_PROVIDES[0]} + {_PROVIDES[1]} * $size, false) AS private,
    p.number1, p.number2, p.company, coalesce(c.holders, 1)::INTEGER AS company_holders,
    p.street, p.address, coalesce(a.holders, 1)::INTEGER AS address_holders,
    p.city, coalesce(t.holders, 1)::INTEGER AS city_holders,
    p.postcode, coalesce(z.holders, 1)::INTEGER AS postcode_holders, p.born
FROM folded p
LEFT JOIN {_holders("country")} sizes ON p.country IS NOT NULL AND sizes.value = hash(p.country)
LEFT JOIN {_holders("first")} f ON p.first IS NOT NULL AND f.value = hash(p.first)
LEFT JOIN {_holders("last")} l ON p.last IS NOT NULL AND l.value = hash(p.last)
LEFT JOIN {_holders("domain")} d ON p.domain IS NOT NULL AND d.value = hash(p.domain)
LEFT JOIN {_holders("company")} c ON p.company IS NOT NULL AND c.value = hash(p.company)
LEFT JOIN {_holders("address")} a ON a.value = p.address
LEFT JOIN {_holders("city")} t ON p.city IS NOT NULL AND t.value = hash(p.city)
LEFT JOIN {_holders("postcode")} z ON p.postcode IS NOT NULL AND z.value = hash(p.postcode)
LEFT JOIN matching.given_names g ON g.name = split_part(p.first, ' ', 1)
"""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Which contacts are looked at.

    Args:
        where: SQL over them.
        values: What it names.
        source: The table that holds them.
    """

    where: str = "true"
    values: Mapping[str, Any] = field(default_factory=dict)
    source: str = "contacts"


EVERYBODY: Final = Narrowed()


def prepare(work: Work, narrowed: Narrowed, counts: pa.Table | None = None) -> None:
    """Make `matching.plain`, `matching.records` (their numbers, in order) and `matching.rows`.

    Args:
        work: Where to.
        narrowed: Which contacts are looked at.
        counts: How common values are, as `matching.counts` held it after another search; None
            counts them among the contacts at hand.
    """
    names = given_names()
    work.run(
        "CREATE TABLE matching.given_names AS SELECT unnest($names) AS name, unnest($set1) AS set1, "
        "unnest($set2) AS set2, unnest($set3) AS set3",
        names=list(names),
        **{
            f"set{place + 1}": [
                sets[place] if place < len(sets) else None for sets in names.values()
            ]
            for place in range(3)
        },
    )
    work.run(
        _PEOPLE.format(source=narrowed.source, where=narrowed.where),
        **narrowed.values,
        titles=_TITLES,
        families=_FAMILIES,
        word="[a-z]{3,}",
        word_and_number="[a-z]{3,}[0-9]*",
    )
    work.run(_RECORDS)
    _count(work, counts)
    everybody = f"SELECT holders FROM matching.counts WHERE kind = {_NUMBER[_EVERYBODY]}"
    work.run(
        _ROWS,
        size=work.value(everybody),
        roles=sorted(ROLE_NAMES),
        providers=sorted(PRIVATE_PROVIDERS),
    )


def _count(work: Work, counts: pa.Table | None) -> None:
    """Make `matching.counts`: how many contacts hold each value, where they are several."""
    work.run(_COUNTS)
    if counts is not None:
        work.con.register("steward_counts", counts)
        work.run("INSERT INTO matching.counts SELECT * FROM steward_counts")
        work.con.unregister("steward_counts")
        return
    for what, value in _COUNTED.items():
        # Of a country, one is counted too: where nothing is known of one, all contacts are.
        more_than = 0 if what == "country" else 1
        work.run(_COUNT.format(number=_NUMBER[what], value=value, more_than=more_than))
    work.run(_COUNT_ALL)
