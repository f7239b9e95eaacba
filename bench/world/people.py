"""Units (individuals and families) and the persons in them, with all that is true of them."""

from __future__ import annotations

import duckdb

from world.chance import by_case, listed, weighted
from world.knobs import COUNTRIES, World
from world.stocks import COMPANY_FLATNESS, LANGUAGES, LAST_NAMES_OF_AN_ORIGIN, companies_of

MOST_IN_UNIT = 4
"""A unit has at most so many persons: a person's number is the unit's times this and a place."""


def records_of_a_unit(world: World) -> float:
    """Return how many records a unit has on average."""
    families = 1 - world.units["individual"] / sum(world.units.values())
    size = sum(k * share for k, share in enumerate(world.groups, 1)) / sum(world.groups)
    return (1 + families) * size


def create(con: duckdb.DuckDBPyConnection, world: World, count: int, first: int, end: int) -> None:
    """Create the table `persons` of the units numbered from `first` to before `end`.

    Args:
        con: Where, with stocks.
        world: The knobs.
        count: Records of the whole population.
        first: Number of the first unit.
        end: Number after the last.
    """
    con.execute(f"CREATE OR REPLACE TABLE units AS {_units(world, first, end)}")
    con.execute(f"CREATE OR REPLACE VIEW placed AS {_placed(world, count)}")
    con.execute(f"CREATE OR REPLACE VIEW named AS {_named(world)}")
    con.execute(f"CREATE OR REPLACE TABLE persons AS {_persons(world, count)}")


def _units(world: World, first: int, end: int) -> str:
    origins = by_case(
        "country",
        {c: weighted("u(unit, 'origin')", shares) for c, shares in world.origins.items()},
    )
    city = f"zipf(u(unit, 'city'), {world.city_flatness}, {world.cities})"
    return f"""
        SELECT *, {origins} AS origin, {city} AS city
        FROM (SELECT unit, {weighted("u(unit, 'country')", world.countries)} AS country,
                {weighted("u(unit, 'kind')", world.units)} AS kind,
                1942 + pick(unit, 'born', 60) AS born
            FROM range({first}, {end}) AS r(unit))"""


def _placed(world: World, count: int) -> str:
    """Persons with what places them: company, city, who shares which home and which names."""
    companies = by_case("country", {c: str(n) for c, n in companies_of(world, count).items()})
    return f"""
        WITH members AS (
            SELECT *, unit * {MOST_IN_UNIT} + place AS person
            FROM (SELECT *, unnest(range(CASE kind WHEN 'individual' THEN 1 ELSE 2 END)) AS place
                FROM units)),
        described AS (
            SELECT * EXCLUDE born,
                kind IN ('father and son', 'homonyms') AS same_name,
                CASE WHEN kind = 'spouses' THEN ['m', 'f'][place + 1] WHEN kind = 'father and son' THEN 'm'
                    WHEN kind = 'homonyms' THEN ['m', 'f'][pick(unit, 'gender', 2) + 1]
                    ELSE ['m', 'f'][pick(person, 'gender', 2) + 1] END AS gender,
                CASE kind WHEN 'parent and child' THEN born // 2 + 971 + place * (22 + pick(unit, 'gap', 16))
                    WHEN 'father and son' THEN born // 2 + 971 + place * (22 + pick(unit, 'gap', 16))
                    WHEN 'twins' THEN born
                    ELSE born + place * pick(unit, 'gap', 7) END AS born,
                CASE WHEN kind IN ('homonyms', 'siblings') THEN person ELSE unit * {MOST_IN_UNIT} END AS home,
                u(person, 'employed') < CASE WHEN kind IN ('individual', 'homonyms') THEN {world.employed} ELSE {world.employed} * 0.5 END AS employed,
                u(unit, 'family mailbox') < {world.family_mailboxes} AND kind IN
                    ('spouses', 'parent and child', 'twins', 'father and son')
                    AND NOT (kind = 'spouses' AND (country = 'ES' OR u(unit, 'own name') < 0.2)) AS family_mailbox
            FROM members),
        hired AS (
            SELECT *, {companies} AS companies,
                CASE WHEN employed THEN zipf(u(CASE WHEN u(unit, 'family firm') < 0.05 AND kind <> 'homonyms'
                    THEN unit * {MOST_IN_UNIT} ELSE person END, 'company'), {COMPANY_FLATNESS}, {companies}) END AS company,
                zipf(u(person, 'next company'), {COMPANY_FLATNESS}, {companies}) AS next_company,
                zipf(u(person, 'next city'), {world.city_flatness}, {world.cities}) AS next_city
            FROM described)
        -- Most people live where they work.
        SELECT h.* EXCLUDE city, CASE WHEN h.kind = 'individual' AND u(person, 'lives at work') < 0.5
            THEN coalesce(c.city, h.city) ELSE h.city END AS city
        FROM hired AS h LEFT JOIN companies AS c ON c.country = h.country AND c.rank = h.company"""


def _named(world: World) -> str:
    ranks = LAST_NAMES_OF_AN_ORIGIN
    own = f"""CASE WHEN u(i, 'local name') < {world.local_names} AND origin = country
        THEN zipf(u(city * 1000 + zipf(u(i, 'which local'), 2, {world.names_of_a_city} * (1 + 5 / (city + 1))),
            'local' || country), {world.flatness}, {ranks})
        ELSE zipf(u(i, 'last name'), {world.flatness}, {ranks}) END"""

    def rank(of: str) -> str:
        return own.replace("u(i,", f"u({of},")

    unit = f"unit * {MOST_IN_UNIT}"
    own_name = "kind = 'spouses' AND place = 1 AND (country = 'ES' OR u(unit, 'own name') < 0.2)"
    person_cohort = """CASE WHEN u(given, 'old fashion') < 0.12 THEN pick(given, 'cohort', 3)
        WHEN born < 1965 THEN 0 WHEN born < 1985 THEN 1 ELSE 2 END"""
    return f"""
        WITH ranked AS (
            SELECT *, CASE WHEN {own_name} THEN {rank("person")} ELSE {rank(unit)} END AS last_rank,
                CASE WHEN {own_name} THEN {rank("person + 2")} ELSE {rank(unit + " + 2")} END AS second_rank,
                {rank("person + 7000000000")} AS maiden_rank,
                CASE WHEN same_name THEN {unit} ELSE person END AS given
            FROM placed),
        texts AS (
            SELECT *, last_name(origin, last_rank) AS one_last, CASE WHEN origin = 'ES' THEN last_name(origin, second_rank) END AS other_last,
                CASE WHEN gender = 'f' THEN last_name(origin, maiden_rank) END AS maiden,
                CASE WHEN u(given, 'rare first') < {world.rare_first_names}
                    THEN first_beginning(origin, pick(given, 'rare beginning', 100000))
                        || first_ending(origin, pick(given, 'rare ending', 100000))
                    ELSE common_first(origin, gender, CASE WHEN same_name THEN pick(given, 'cohort', 2)
                        ELSE {person_cohort} END, u(given, 'first name')) END AS first_name
            FROM ranked)
        SELECT * EXCLUDE (one_last, other_last, first_name),
            replace(first_name, '-', CASE WHEN origin = 'ES' THEN ' ' ELSE '-' END) AS first_name,
            first_name AS stock_name, one_last AS stock_last,
            common_first(origin, gender, pick(person, 'middle cohort', 3), u(person, 'middle')) AS middle,
            CASE WHEN origin = 'ES' AND u(unit, 'two surnames') < 0.75 THEN one_last || ' ' || other_last
                WHEN gender = 'f' AND country IN ('FR', 'DE') AND u(person, 'double name') < 0.06
                    THEN one_last || '-' || maiden
                ELSE replace(one_last, 'Le-', 'Le ') END AS last_name
        FROM texts"""


def _persons(world: World, count: int) -> str:
    """Return SQL of persons with addresses, numbers and mailboxes."""
    language = by_case("p.origin", {o: f"'{lang}'" for o, lang in LANGUAGES.items()})
    return f"""
        WITH worded AS (
            SELECT p.*, slug(p.first_name) AS f, slug(p.last_name) AS l,
                slug(split_part(replace(p.last_name, '-', ' '), ' ', 1)) AS l1,
                list_position({listed(COUNTRIES)}, p.country) AS c,
                -- How many in all may be called so: popular names take more digits.
                {count} * 0.15 * 0.02 / (p.last_rank + {world.flatness}) AS namesakes
            FROM named AS p),
        homes AS (
            SELECT w.*, h.name AS city_name, h.base, h.several,
                street_of(w.country, w.city, w.home) AS street,
                postcode_of(w.country, h.base, h.several, w.home) AS postcode,
                CASE WHEN u(w.home, 'landline') < 0.6
                    THEN landline_number(w.country, h.area, w.home) END AS landline,
                mobile_number(w.country, w.person * 3) AS mobile,
                CASE WHEN namesakes < 0.003 AND u(w.person, 'digits') < 0.6 THEN ''
                    ELSE pick(w.person, 'digits value', (10 ** greatest(2, ceil(log10(namesakes * 300 + 1))))::BIGINT)::TEXT
                    END AS digits
            FROM worded AS w
            JOIN cities AS h ON h.country = w.country AND h.i = w.city)
        SELECT p.* EXCLUDE (base, several),
            CASE WHEN family_mailbox
                THEN ['famille.', 'family.', 'los', 'the', 'x'][1 + pick(unit, 'family word', 3)]
                    || l1 || pick(unit, 'family digits', 100000)
                    || '@' || freemail(p.country, pick(unit, 'freemail', 100000))
                ELSE {private("p.person", "digits")} || '@' || freemail(p.country, pick(p.person, 'freemail', 100000))
                END AS private_email,
            coalesce(company > companies * 0.12 AND u(company, 'mailbox firm' || p.country) < {world.shared_mailboxes}
                AND kind <> 'homonyms', false) AS shared_mailbox,
            of_list(k.short, pick(p.person, 'nickname', 1000)) AS nickname,
            of_list(s.others, pick(p.person, 'spelling', 1000)) AS other_first,
            of_list(t.others, pick(p.person, 'spelling', 1000)) AS other_last,
            make_date((p.born)::INT, 1 + pick(CASE WHEN kind = 'twins' THEN unit ELSE p.person + 100 END, 'month', 12)::INT,
                1 + pick(CASE WHEN kind = 'twins' THEN unit ELSE p.person + 100 END, 'day', 28)::INT) AS birth_date
        FROM homes AS p
        LEFT JOIN nicknames AS k ON k.language = {language} AND k.name = p.stock_name
        LEFT JOIN spellings AS s ON s.name = p.stock_name
        LEFT JOIN spellings AS t ON t.name = p.stock_last"""


def private(who: str, digits: str) -> str:
    """Return SQL of the local part of a private address: `f`, `l1` and `born` are its owner's."""
    return f"""CASE pick({who}, 'local part', 10)
        WHEN 0 THEN f || l1 || {digits} WHEN 1 THEN left(f, 1) || l1 || {digits} || '.' || left(f, 3)
        WHEN 2 THEN l1 || '.' || f || {digits}
        WHEN 3 THEN f || '_' || l1 || {digits} WHEN 4 THEN f || (born % 100) || left(l1, 3) || {digits}
        ELSE f || '.' || l1 || {digits} END"""
