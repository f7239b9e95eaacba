"""What all chunks share: names by rank, cities, streets and companies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import duckdb

from world import places
from world.chance import by_case, listed, quoted, words_of
from world.first_names import FIRST_NAMES, FIRST_PARTS
from world.knobs import COUNTRIES, World
from world.last_names import LAST_NAMES, LAST_PARTS
from world.nicknames import NICKNAMES, SPELLINGS

LAST_NAMES_OF_AN_ORIGIN: Final = 1_000_000
COMPANY_FLATNESS: Final = 8.0
LANGUAGES: Final = {
    "FR": "FR",
    "DE": "DE",
    "ES": "ES",
    "GB": "EN",
    "US": "EN",
    "AR": "AR",
    "SL": "SL",
    "TR": "TR",
}


def define(con: duckdb.DuckDBPyConnection, world: World, count: int) -> None:
    """Create macros and tables of names, places and companies.

    Args:
        con: Where, with the macros of `chance`.
        world: The knobs.
        count: Records of the whole population; companies grow with it.
    """
    _define_names(con, world)
    _define_lists(con)
    _define_phones(con)
    _create_short_forms(con)
    _create_cities(con, world)
    _create_companies(con, world, count)


def _macro(con: duckdb.DuckDBPyConnection, head: str, body: str) -> None:
    con.execute(f"CREATE OR REPLACE MACRO {head} AS ({body})")


def _define_names(con: duckdb.DuckDBPyConnection, world: World) -> None:
    def turned(text: str) -> list[str]:
        names = words_of(text)
        shift = world.name_shift % len(names)
        return names[shift:] + names[:shift]

    heads = {o: turned(text) for o, text in LAST_NAMES.items()}
    _macro(
        con, "common_last(o, r)", by_case("o", {o: f"{listed(v)}[r + 1]" for o, v in heads.items()})
    )
    for place, part in enumerate(("beginning", "middle", "ending")):
        arms = {o: f"of_list({listed(words_of(p[place]))}, x)" for o, p in LAST_PARTS.items()}
        _macro(con, f"{part}(o, x)", by_case("o", arms))
    # The rarer, the longer: what is left of a rank, multiplied so that neighbours look unlike.
    _macro(
        con,
        "made_last(o, r, x)",
        """beginning(o, x) || CASE WHEN r > 1500 THEN middle(o, x // 67) ELSE '' END
        || CASE WHEN r > 60000 THEN middle(o, x // 4523) ELSE '' END || ending(o, x // 314159)""",
    )
    _macro(
        con,
        "last_name(o, r)",
        f"""coalesce(common_last(o, r),
            made_last(o, r, (r * 48271 + {world.name_shift}) % 2147483647)
            || CASE WHEN r % 29 = 0 THEN '-' || common_last(o, r % 40) ELSE '' END)""",
    )
    cohorts = {
        f"{o}{g}{c}": listed(turned(text))
        for (o, g), texts in FIRST_NAMES.items()
        for c, text in enumerate(texts)
    }
    _macro(
        con,
        "common_first(o, g, c, chance)",
        by_case(
            "o || g || c",
            {k: f"list_extract({v}, zipf(chance, 5, len({v})) + 1)" for k, v in cohorts.items()},
        ),
    )
    for place, part in enumerate(("first_beginning", "first_ending")):
        arms = {o: f"of_list({listed(words_of(p[place]))}, x)" for o, p in FIRST_PARTS.items()}
        _macro(con, f"{part}(o, x)", by_case("o", arms))


def _define_lists(con: duckdb.DuckDBPyConnection) -> None:
    lists: Mapping[str, Mapping[str, str]] = {
        "job": places.JOBS,
        "legal_form": places.FORMS,
        "trade": places.TRADES,
        "mailbox": places.MAILBOXES,
        "title_of": places.TITLES,
        "street_kind": {c: v[0] for c, v in places.STREETS.items()},
        "street_called": {c: v[1] for c, v in places.STREETS.items()},
        "village": places.VILLAGES,
        "mobile_start": places.MOBILE,
    }
    for name, texts in lists.items():
        arms = {c: f"of_list({listed(words_of(text))}, i)" for c, text in texts.items()}
        _macro(con, f"{name}(c, i)", by_case("c", arms))
    arms = {}
    for country, text in places.FREEMAIL.items():
        shares = [entry.split(":") for entry in text.split()]
        domains = [domain for domain, share in shares for _ in range(int(share))]
        arms[country] = f"of_list({listed(domains)}, i)"
    _macro(con, "freemail(c, i)", by_case("c", arms))
    _define_streets(con)


def _define_streets(con: duckdb.DuckDBPyConnection) -> None:
    _macro(
        con,
        "street_name(c, i)",
        """CASE WHEN i % 100 < 55 THEN street_called(c, i // 100)
        ELSE last_name(c, 40 + (i // 100) % 4000) END""",
    )
    _macro(
        con,
        "street_line(c, kind, called, n)",
        """CASE c WHEN 'DE' THEN called || CASE WHEN kind IN ('platz', 'allee', 'ring', 'gasse')
            AND length(called) > 8 THEN '-' || upper(left(kind, 1)) || substr(kind, 2)
            ELSE kind END || ' ' || n
        WHEN 'ES' THEN kind || ' ' || called || ', ' || n
        WHEN 'FR' THEN n || ' ' || kind || ' ' || called
        ELSE n || ' ' || called || ' ' || kind END""",
    )
    # i says which street, n which house: both from the address, the street also from the city.
    _macro(
        con,
        "street_of(c, city, i)",
        """list_transform([{'sort': street_kind(c, zipf(u(i, 'street kind'), 1, 7)), 'called':
        street_name(c, pick(city * 1000 + pick(i, 'street', 250), 'street of city', 1000000))}],
        lambda way: street_line(c, way.sort, way.called, 1 + zipf(u(i, 'house'), 20, 180)))[1]""",
    )
    _macro(
        con,
        "postcode_of(c, base, several, i)",
        """CASE c WHEN 'GB' THEN regexp_extract(base, '[A-Z]+') || (1 + pick(i, 'district', 12))
            || ' ' || (1 + pick(i, 'sector', 8)) || substr('ABDEFGHJLNPQRSTUWXYZ',
            1 + pick(i, 'unit', 20), 1) || substr('ABDEFGHJLNPQRSTUWXYZ', 1 + pick(i, 'unit2', 20), 1)
        WHEN 'FR' THEN lpad((base::INT + CASE WHEN several THEN pick(i, 'district', 8) ELSE 0 END)::TEXT, 5, '0')
        ELSE lpad((base::INT + CASE WHEN several THEN pick(i, 'district', 24) ELSE 0 END)::TEXT, 5, '0') END""",
    )
    abbreviations = {
        "FR": (
            ("boulevard", "bd"),
            ("avenue", "av."),
            ("rue ", "r. "),
            ("place", "pl."),
            ("allée", "all."),
        ),
        "DE": (("straße", "str."), ("platz", "pl.")),
        "ES": (("Calle", "C/"), ("Avenida", "Avda."), ("Plaza", "Pza.")),
        "GB": (
            ("Street", "St"),
            ("Road", "Rd"),
            ("Avenue", "Ave"),
            ("Close", "Cl"),
            ("Gardens", "Gdns"),
        ),
        "US": (
            ("Street", "St"),
            ("Road", "Rd"),
            ("Avenue", "Ave"),
            ("Drive", "Dr"),
            ("Boulevard", "Blvd"),
        ),
    }
    arms = {}
    for country, pairs in abbreviations.items():
        text = "t"
        for long, short in pairs:
            text = f"replace({text}, {quoted(long)}, {quoted(short)})"
        arms[country] = text
    _macro(con, "street_short(c, t)", by_case("c", arms))


def _define_phones(con: duckdb.DuckDBPyConnection) -> None:
    starts = {c: str(len(text.split())) for c, text in places.MOBILE.items()}
    _macro(con, "mobile_starts(c)", by_case("c", starts))
    # Multiplied by a prime that divides no number of numbers: each i has its own.
    _macro(con, "mobile_index(c, i)", "(i * 32452843) % (mobile_starts(c) * 8000000)")
    _macro(
        con,
        "mobile_number(c, i)",
        """mobile_start(c, mobile_index(c, i) // 8000000)
        || (2000000 + mobile_index(c, i) % 8000000)::TEXT""",
    )
    lengths = by_case("c", {c: str(n) for c, n in places.LANDLINES.items()})
    _macro(con, "free_digits(c, area)", f"{lengths} - length(area)")
    _macro(
        con,
        "landline_number(c, area, i)",
        """area || (2 * pow(10, free_digits(c, area) - 1)::BIGINT
        + (i * 32452843) % (8 * pow(10, free_digits(c, area) - 1)::BIGINT))::TEXT""",
    )
    _macro(con, "calling(c)", by_case("c", {c: quoted(n) for c, n in places.CALLING.items()}))
    _macro(
        con,
        "grouped(c, n, s)",
        """CASE c WHEN 'FR' THEN left(n, 1) || s || substr(n, 2, 2) || s || substr(n, 4, 2) || s
            || substr(n, 6, 2) || s || substr(n, 8)
        ELSE left(n, 3) || s || substr(n, 4, 3) || s || substr(n, 7) END""",
    )
    _macro(con, "trunk(c)", "CASE WHEN c IN ('FR', 'DE', 'GB') THEN '0' ELSE '' END")
    _macro(
        con,
        "phone_text(c, n, f)",
        """CASE f WHEN 0 THEN '+' || calling(c) || n
        WHEN 1 THEN '+' || calling(c) || ' ' || grouped(c, n, ' ')
        WHEN 2 THEN CASE WHEN c IN ('FR', 'DE', 'GB') THEN '+' || calling(c) || ' (0)' || grouped(c, n, ' ')
            ELSE '+' || calling(c) || ' ' || grouped(c, n, '-') END
        WHEN 3 THEN trunk(c) || n
        WHEN 4 THEN trunk(c) || grouped(c, n, '.')
        WHEN 5 THEN CASE c WHEN 'US' THEN '(' || left(n, 3) || ') ' || substr(n, 4, 3) || '-' || substr(n, 7)
            WHEN 'DE' THEN trunk(c) || left(n, 3) || '/' || substr(n, 4) ELSE trunk(c) || n END
        ELSE trunk(c) || grouped(c, n, ' ') END""",
    )


def _create_short_forms(con: duckdb.DuckDBPyConnection) -> None:
    rows = [
        (language, name, short.split(","))
        for language, text in NICKNAMES.items()
        for name, _, short in (entry.partition(":") for entry in text.split())
    ]
    con.execute("CREATE TABLE nicknames (language TEXT, name TEXT, short TEXT[])")
    con.executemany(
        "INSERT INTO nicknames VALUES (?, ?, ?)", list({(r[0], r[1]): r for r in rows}.values())
    )
    con.execute("CREATE TABLE spellings (name TEXT, others TEXT[])")
    con.executemany(
        "INSERT INTO spellings VALUES (?, ?)",
        [
            (name, others.split(","))
            for name, _, others in (entry.partition(":") for entry in SPELLINGS.split())
        ],
    )


def _create_cities(con: duckdb.DuckDBPyConnection, world: World) -> None:
    con.execute("CREATE TABLE known (country TEXT, i BIGINT, name TEXT, base TEXT, area TEXT)")
    for country, text in places.CITIES.items():
        rows = [entry.replace("_", " ").split(":") for entry in text.split()]
        con.executemany(
            "INSERT INTO known VALUES (?, ?, ?, ?, ?)",
            [(country, i, *r) for i, r in enumerate(rows)],
        )
    # A village lies near a city: it shares the first digits of its postcode and its area code.
    con.execute(
        f"""CREATE TABLE cities AS
        WITH all_of AS (
            SELECT country, i, i % count(*) FILTER (name IS NOT NULL) OVER (PARTITION BY country) AS near
            FROM (SELECT unnest({listed(COUNTRIES)}) AS country) CROSS JOIN range({world.cities}) AS r(i)
            LEFT JOIN known USING (country, i))
        SELECT a.country, a.i, n.area AS area,
            coalesce(k.name, beginning(a.country, pick(a.i, 'village', 1000000)) || CASE WHEN a.i % 3 = 0
                THEN middle(a.country, pick(a.i, 'village middle', 1000)) ELSE '' END
                || village(a.country, pick(a.i, 'village end', 1000))) AS name,
            coalesce(k.base, CASE WHEN a.country = 'GB' THEN n.base
                ELSE left(n.base, 2) || lpad((10 * (a.i // 10) % 900 + 100)::TEXT, 3, '0') END) AS base,
            a.i < 12 AS several
        FROM all_of AS a JOIN known AS n ON n.country = a.country AND n.i = a.near
        LEFT JOIN known AS k ON k.country = a.country AND k.i = a.i"""
    )
    con.execute(
        "UPDATE cities SET area = CASE area WHEN '1' THEN '14' WHEN '2' THEN '24' WHEN '3' THEN '38' "
        "WHEN '4' THEN '47' ELSE '56' END WHERE country = 'FR'"
    )


def companies_of(world: World, count: int) -> dict[str, int]:
    """Return the number of companies of each country."""
    return {c: max(50, int(count * world.companies * w)) for c, w in world.countries.items()}


def _create_companies(con: duckdb.DuckDBPyConnection, world: World, count: int) -> None:
    for place, part in enumerate(("brand_beginning", "brand_middle", "brand_ending")):
        _macro(con, f"{part}(x)", f"of_list({listed(words_of(places.BRANDS[place]))}, x)")
    _macro(
        con,
        "brand(x)",
        """brand_beginning(x) || CASE WHEN x % 5 < 3 THEN brand_middle(x // 125) ELSE '' END
        || CASE WHEN x % 7 = 0 THEN brand_middle(x // 9091) ELSE '' END || brand_ending(x // 1627)""",
    )
    numbers = by_case("country", {c: str(n) for c, n in companies_of(world, count).items()})
    con.execute(
        f"""CREATE TABLE companies AS
        WITH drawn AS (
            SELECT country, r AS rank, k AS i, pick(k, 'company', 1000000007) AS x,
                zipf(u(k, 'last of company'), {world.flatness}, 200000) AS last_rank,
                zipf(u(k, 'city of company'), {world.city_flatness}, {world.cities}) AS city,
                u(k, 'name of company') AS how
            FROM (SELECT country, r, r * 5 + list_position({listed(COUNTRIES)}, country) - 1 AS k
                FROM (SELECT unnest({listed(COUNTRIES)}) AS country)
                    CROSS JOIN range({max(companies_of(world, count).values())}) AS t(r)
                WHERE r < {numbers})),
        named AS (
            SELECT *, CASE
                WHEN how < 0.2 AND country IN ('FR', 'ES') THEN trade(country, x) || ' ' || last_name(country, last_rank)
                WHEN how < 0.25 THEN last_name(country, last_rank) || ' ' || trade(country, x)
                WHEN how < 0.32 THEN last_name(country, last_rank) || ' & ' || last_name(country, 1 + x % 150)
                WHEN how < 0.62 THEN brand(x) || ' ' || trade(country, x // 77)
                WHEN how < 0.7 THEN brand(x) || ' ' || brand_beginning(x // 31) || brand_ending(x // 7919)
                ELSE brand(x) || brand_middle(x // 104729) END AS name
            FROM drawn)
        SELECT d.country, d.rank, d.i, d.name, d.city, legal_form(d.country, x // 13) AS form,
            slug(d.name) || CASE WHEN row_number() OVER same = 1 THEN '' ELSE '-' || row_number() OVER same END
                || '.example' AS domain,
            pick(d.i, 'pattern of company', 10) AS pattern,
            c.name AS city_name, street_of(d.country, d.city, d.i + 900000000) AS street,
            postcode_of(d.country, c.base, c.several, d.i) AS postcode,
            landline_number(d.country, c.area, d.i + 500000000) AS switchboard
        FROM named AS d JOIN cities AS c ON c.country = d.country AND c.i = d.city
        WINDOW same AS (PARTITION BY slug(d.name) ORDER BY d.i)"""
    )
