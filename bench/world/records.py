"""Records of persons, as people write them: every further record of a person differs somehow."""

from __future__ import annotations

from typing import Final

import duckdb

from world.chance import weighted
from world.knobs import World
from world.people import private

MOST_OF_A_PERSON: Final = 8
"""A person has at most so many records."""

_WITH_EVERYTHING: Final = (
    "new mobile",
    "other email",
    "new job",
    "moved",
    "married",
    "nickname",
    "initial only",
)
"""What happens together to those whom nothing links to what was known of them."""


def create(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Create the table `written` of the records of `persons`, in order of their number."""
    con.execute(f"CREATE OR REPLACE VIEW drawn AS {_drawn(world)}")
    con.execute(f"CREATE OR REPLACE VIEW situated AS {_situated()}")
    con.execute(f"CREATE OR REPLACE VIEW spelt AS {_spelt()}")
    con.execute(f"CREATE OR REPLACE VIEW slipped AS {_slipped()}")
    con.execute(f"CREATE OR REPLACE TABLE written AS {_written(world)}")


def _column(corruption: str) -> str:
    return "x_" + corruption.replace(" ", "_")


def _drawn(world: World) -> str:
    """Records with what chance wants to happen to each; whether it can is seen later."""
    flags = []
    for name, share in world.corruptions.items():
        happens = f"u(record, '{name}') < {share} * often"
        if name in _WITH_EVERYTHING:
            # A name does not change every time everything else does.
            also = "0.35" if name in ("married", "nickname", "initial only") else "1.0"
            everything = f"u(record, 'everything changed') < {world.corruptions['everything changed']} * often"
            happens = f"({happens}) OR ({everything} AND u(record, '{name} too') < {also})"
        flags.append(f"{happens} AS {_column(name)}")
    profile = """CASE WHEN employed THEN CASE WHEN c < 0.70 THEN 'business' WHEN c < 0.93 THEN 'sparse' ELSE 'private' END
        ELSE CASE WHEN c < 0.66 THEN 'private' ELSE 'sparse' END END"""
    return f"""
        SELECT *, {", ".join(flags)}, {profile} AS profile
        FROM (SELECT *, person * {MOST_OF_A_PERSON} + nth AS record, CASE WHEN u(person * {MOST_OF_A_PERSON} + nth, 'own profile') < {world.one_profile} THEN u(person, 'profile')
                    ELSE u(person * {MOST_OF_A_PERSON} + nth, 'profile') END AS c,
                CASE WHEN nth = 0 THEN {world.first_record} ELSE 1.0 END AS often
            FROM (SELECT * EXCLUDE c, unnest(range({weighted("u(person, 'group')", world.groups)})) AS nth FROM persons))"""


def _situated() -> str:
    """Records with the company, home and numbers of the time they were written."""
    work = """CASE WHEN shared_mailbox THEN mailbox(s.country, pick(person, 'mailbox', 2))
        WHEN f = '' OR l1 = '' THEN f || l1 || person
        ELSE CASE c.pattern WHEN 0 THEN left(f, 1) || l1 WHEN 1 THEN left(f, 1) || '.' || l1 WHEN 2 THEN l1
            WHEN 3 THEN f || l1 WHEN 4 THEN l1 || '.' || f WHEN 5 THEN f || '_' || l1 ELSE f || '.' || l1 END
            -- Where many work, two of one name do not share a mailbox.
            || CASE WHEN c.pattern <= 2 AND (c.rank < 2000 OR last_rank < 60) OR c.rank < 300 AND last_rank < 300
                THEN pick(person, 'work digits', 1000)::TEXT ELSE '' END END || '@' || c.domain"""
    return f"""
        SELECT s.*, c.name AS company_name, c.form, c.domain, c.switchboard, c.i AS company_i,
            {work} AS work_email,
            left(c.switchboard, length(c.switchboard) - 3) || lpad(pick(person, 'extension', 1000)::TEXT, 3, '0') AS direct,
            c.city_name AS work_city, c.street AS work_street, c.postcode AS work_postcode,
            CASE WHEN x_moved THEN street_of(s.country, next_city, person + 3000000000) ELSE s.street END AS home_street,
            CASE WHEN x_moved THEN postcode_of(s.country, n.base, n.several, person) ELSE s.postcode END AS home_postcode,
            CASE WHEN x_moved THEN n.name ELSE s.city_name END AS home_city,
            CASE WHEN x_moved THEN NULL ELSE landline END AS home_line
        FROM drawn AS s LEFT JOIN companies AS c ON c.country = s.country
            AND c.rank = CASE WHEN employed THEN CASE WHEN x_new_job THEN next_company ELSE company END END
        LEFT JOIN cities AS n ON n.country = s.country AND n.i = CASE WHEN x_moved THEN next_city END"""


def _spelt() -> str:
    """Records with names as another person would spell them, and the values each profile holds."""
    second = private("person + 5000000000", "(pick(person, 'more digits', 100000))::TEXT")
    second += " || '@' || freemail(country, pick(person, 'second freemail', 100000))"
    return f"""
        WITH names AS (
            SELECT *,
                x_nickname AND nickname IS NOT NULL AS y_nickname,
                x_other_spelling AND (other_first IS NOT NULL OR other_last IS NOT NULL) AS y_other_spelling,
                x_compound_shortened AND regexp_matches(first_name, '[ -]') AS y_compound_shortened,
                x_last_name_cut AND regexp_matches(last_name, '.{{3}}[ -]...') AS y_last_name_cut,
                x_married AND gender = 'f' AND country <> 'ES' AS y_married,
                regexp_extract(first_name, '^[^ -]+') AS one, regexp_extract(first_name, '[ -](.*)$', 1) AS two
            FROM situated),
        firsts AS (
            SELECT *, CASE
                    WHEN y_nickname THEN nickname
                    WHEN y_other_spelling AND other_first IS NOT NULL THEN other_first
                    WHEN y_compound_shortened THEN CASE pick(record, 'compound', 4) WHEN 0 THEN left(one, 1) || left(two, 1)
                        WHEN 1 THEN left(one, 1) || '.-' || left(two, 1) || '.' ELSE one END
                    ELSE first_name END AS first_1,
                CASE WHEN y_married THEN CASE WHEN pick(record, 'married how', 3) = 0 THEN stock_last || '-' || maiden ELSE maiden END
                    WHEN y_other_spelling AND other_last IS NOT NULL THEN replace(last_name, stock_last, other_last)
                    WHEN y_last_name_cut THEN CASE WHEN pick(record, 'cut', 5) = 0 THEN regexp_extract(last_name, '[^ -]+$')
                        ELSE regexp_extract(last_name, '^.{{2}}[^ -]+') END
                    ELSE last_name END AS last_1
            FROM names)
        SELECT * EXCLUDE (first_1, last_1),
            CASE WHEN x_initial_only THEN left(first_1, 1) || CASE WHEN record % 2 = 0 THEN '.' ELSE '' END
                WHEN x_middle_name THEN first_1 || ' ' || CASE WHEN record % 3 = 0 THEN left(middle, 1) || '.' ELSE middle END
                ELSE first_1 END AS first_2, last_1 AS last_2,
            CASE WHEN u(record, 'no email') < CASE profile WHEN 'business' THEN 0.05 WHEN 'private' THEN 0.07 ELSE 0.02 END THEN NULL
                WHEN employed AND profile <> 'private' AND NOT x_other_email AND work_email IS NOT NULL THEN work_email
                WHEN employed AND profile <> 'private' THEN private_email
                WHEN x_other_email AND employed AND work_email IS NOT NULL THEN work_email
                WHEN x_other_email THEN {second} ELSE private_email END AS email_1,
            CASE WHEN u(person, 'no mobile') < 0.32 OR u(record, 'no mobile') < CASE profile WHEN 'sparse' THEN 0.93 ELSE 0.2 END THEN NULL
                WHEN x_new_mobile THEN mobile_number(country, person * 3 + 1) ELSE mobile END AS mobile_1,
            CASE profile WHEN 'business' THEN CASE WHEN u(record, 'phone') < 0.42 THEN switchboard
                    WHEN u(record, 'phone') < 0.6 THEN direct END
                WHEN 'private' THEN CASE WHEN u(record, 'phone') < 0.75 THEN home_line END END AS phone_1,
            CASE profile WHEN 'business' THEN CASE WHEN u(record, 'no company') < 0.96 THEN company_name END END AS company_1,
            CASE WHEN u(record, 'no address') > CASE profile WHEN 'business' THEN 0.84 WHEN 'private' THEN 0.88 ELSE 0.0 END THEN 0
                WHEN profile = 'business' THEN 2 ELSE 1 END AS where_
        FROM firsts"""


def _slipped() -> str:
    """Records with slips of the keyboard."""
    local, domain = "split_part(email_1, '@', 1)", "split_part(email_1, '@', 2)"
    label, rest = (
        f"split_part({domain}, '.', 1)",
        f"substr({domain}, strpos({domain}, '.'))",
    )
    return f"""
        WITH slips AS (
            SELECT *,
                x_typo_in_first_name AND length(first_2) > 3 AS y_typo_in_first_name,
                x_typo_in_last_name AND length(last_2) > 3 AS y_typo_in_last_name,
                x_mobile_as_phone AND mobile_1 IS NOT NULL AS y_mobile_as_phone,
                CASE where_ WHEN 2 THEN work_street WHEN 1 THEN home_street END AS street_1,
                CASE where_ WHEN 2 THEN work_postcode WHEN 1 THEN home_postcode END AS postcode_1,
                CASE where_ WHEN 2 THEN work_city WHEN 1 THEN home_city ELSE CASE WHEN u(record, 'city alone') < 0.65
                    THEN CASE WHEN profile = 'business' THEN work_city ELSE home_city END END END AS city_1,
                CASE WHEN x_typo_in_email AND u(record, 'email slip') < 0.6 THEN slip({local}, record, 'local') || '@' || {domain}
                    WHEN x_typo_in_email AND u(record, 'email slip') < 0.9 THEN {local} || '@' || slip({label}, record, 'label') || {rest}
                    WHEN x_typo_in_email THEN {local} || {domain}
                    WHEN x_gmail_variant AND {domain} = 'gmail.com' THEN CASE pick(record, 'gmail', 3)
                        WHEN 0 THEN replace({local}, '.', '') || '@gmail.com'
                        WHEN 1 THEN {local} || '+' || ['crm', 'news', 'shop'][1 + pick(record, 'tag', 3)] || '@gmail.com'
                        ELSE left({local}, 3) || '.' || substr({local}, 4) || '@googlemail.com' END
                    ELSE email_1 END AS email_2
            FROM spelt)
        SELECT *,
            CASE WHEN y_typo_in_first_name THEN slip(first_2, record, 'first slip') ELSE first_2 END AS first_3,
            CASE WHEN y_typo_in_last_name THEN slip(last_2, record, 'last slip') ELSE last_2 END AS last_3,
            CASE WHEN regexp_matches(email_2, '(^|[.@-])[.-]|[.-](@|[.]|$)') THEN email_1 ELSE email_2 END AS email_3,
            CASE WHEN y_mobile_as_phone THEN mobile_1 ELSE phone_1 END AS phone_2,
            CASE WHEN y_mobile_as_phone THEN NULL ELSE mobile_1 END AS mobile_2
        FROM slips"""


def _digit_slip(number: str) -> str:
    """Return SQL of a number with one of its last digits changed, two swapped, or one missing."""
    place = f"length({number}) - 1 - pick(record, 'digit', 4)"
    return f"""CASE WHEN {number} IS NULL OR NOT x_typo_in_phone THEN {number}
        WHEN country IN ('FR', 'ES', 'US') AND u(record, 'digit slip') < 0.25
            THEN left({number}, ({place})::BIGINT - 1) || substr({number}, ({place})::BIGINT + 1)
        WHEN u(record, 'digit slip') < 0.6
            THEN left({number}, ({place})::BIGINT - 1) || substr({number}, ({place})::BIGINT + 1, 1)
                || substr({number}, ({place})::BIGINT, 1) || substr({number}, ({place})::BIGINT + 2)
        ELSE left({number}, ({place})::BIGINT - 1) || pick(record, 'new digit', 10)::TEXT
            || substr({number}, ({place})::BIGINT + 1) END"""


def _written(world: World) -> str:
    """Records as they stand in the CRM, with E.164 of numbers that are still valid."""
    done = {name: _column(name) for name in world.corruptions}
    done.update(
        {
            "typo in first name": "y_typo_in_first_name AND first_3 <> first_2",
            "typo in last name": "y_typo_in_last_name AND last_3 <> last_2",
            "typo in email": "x_typo_in_email AND email_3 <> email_1",
            "gmail variant": "x_gmail_variant AND NOT x_typo_in_email AND email_3 <> email_1",
            "typo in phone": "(phone_3 <> phone_2 OR mobile_3 <> mobile_2)",
            "typo in street": "street_2 IS NOT NULL AND x_typo_in_street",
            "typo in company": "company_1 IS NOT NULL AND x_typo_in_company",
            "nickname": "y_nickname",
            "other spelling": "y_other_spelling",
            "compound shortened": "y_compound_shortened AND NOT y_nickname",
            "last name cut": "y_last_name_cut",
            "married": "y_married",
            "mobile as phone": "y_mobile_as_phone",
            "new mobile": "x_new_mobile AND (mobile_1 IS NOT NULL)",
            "other email": "x_other_email AND email_1 IS NOT NULL",
            "new job": "x_new_job AND (company_1 IS NOT NULL OR email_1 = work_email)",
            "moved": "x_moved AND profile <> 'business' AND city_1 IS NOT NULL",
            "small letters": "x_small_letters AND NOT x_capitals",
            "middle name": "x_middle_name AND NOT x_initial_only",
            "title in name": "x_title_in_name AND NOT x_swapped_names",
            "other legal form": "x_other_legal_form AND company_1 IS NOT NULL",
            "company shortened": "x_company_shortened AND contains(company_1, ' ')",
            "street abbreviated": "x_street_abbreviated AND street_2 <> street_1",
            "accents lost": "first_4 || last_4 <> first_3 || last_3 AND x_accents_lost",
            "umlaut written out": "first_4 || last_4 <> first_3 || last_3 AND NOT x_accents_lost",
        }
    )
    corruptions = (
        "concat_ws(', ', "
        + ", ".join(f"CASE WHEN {sql} THEN '{name}' END" for name, sql in done.items())
        + ")"
    )
    written_out = "t"
    for letter, letters in (
        ("ä", "ae"),
        ("ö", "oe"),
        ("ü", "ue"),
        ("Ö", "Oe"),
        ("Ü", "Ue"),
        ("ß", "ss"),
    ):
        written_out = f"replace({written_out}, '{letter}', '{letters}')"

    def accents(name: str) -> str:
        return f"""CASE WHEN x_accents_lost THEN without_accents({name})
            WHEN x_umlaut_written_out AND country = 'DE' THEN {written_out.replace("(t,", f"({name},")} ELSE {name} END"""

    def cased(name: str) -> str:
        return f"""CASE WHEN x_capitals THEN upper({name}) WHEN x_small_letters THEN lower({name}) ELSE {name} END"""

    company = """CASE WHEN company_1 IS NULL THEN NULL ELSE
        CASE WHEN x_typo_in_company THEN slip(CASE WHEN x_company_shortened THEN split_part(company_1, ' ', 1) ELSE company_1 END,
            record, 'company slip') WHEN x_company_shortened THEN split_part(company_1, ' ', 1) ELSE company_1 END
        || CASE WHEN x_other_legal_form THEN CASE WHEN pick(record, 'form', 3) = 0 THEN ' ' || legal_form(country, pick(record, 'form 2', 100))
            ELSE '' END ELSE ' ' || form END END"""
    title = "title_of(country, CASE gender WHEN 'm' THEN pick(record, 'title', 2) * 2 ELSE 1 END)"
    return f"""
        WITH lettered AS (
            SELECT *, {accents("first_3")} AS first_4, {accents("last_3")} AS last_4,
                {_digit_slip("phone_2")} AS phone_3, {_digit_slip("mobile_2")} AS mobile_3,
                CASE WHEN x_street_abbreviated THEN street_short(country, street_1) ELSE street_1 END AS street_2,
                CASE WHEN u(record, 'no country') < 0.05 THEN NULL ELSE country END AS country_3,
                pick(record, 'phone format', 7) AS format, pick(record, 'mobile format', 7) AS mobile_format
            FROM slipped),
        cased AS (
            SELECT *, {cased("first_4")} AS first_5, {cased("last_4")} AS last_5 FROM lettered)
        SELECT record, person, kind, shared_mailbox, family_mailbox, employed,
            {weighted("u(record, 'connection')", {"crm-a": 0.52, "crm-b": 0.3, "crm-c": 0.15, "crm-d": 0.03})} AS connection,
            ((record * 2654435761) % 4294967296)::TEXT AS id,
            CASE WHEN x_swapped_names THEN last_5 WHEN x_title_in_name THEN {title} || ' ' || first_5
                WHEN u(record, 'no first name') < 0.02 THEN NULL ELSE first_5 END AS first_name,
            CASE WHEN x_swapped_names THEN first_5 ELSE last_5 END AS last_name,
            CASE WHEN u(record, 'email case') < 0.03 THEN upper(left(email_3, 1)) || substr(email_3, 2)
                WHEN x_capitals AND record % 4 = 0 THEN upper(email_3) ELSE email_3 END AS email,
            phone_text(country, phone_3, format) AS phone,
            CASE WHEN length(phone_3) = length(phone_2) AND (country_3 IS NOT NULL OR format < 3)
                THEN '+' || calling(country) || phone_3 END AS phone_key,
            phone_text(country, mobile_3, mobile_format) AS mobile,
            CASE WHEN length(mobile_3) = length(mobile_2) AND (country_3 IS NOT NULL OR mobile_format < 3)
                THEN '+' || calling(country) || mobile_3 END AS mobile_key,
            {company} AS company,
            CASE WHEN profile = 'business' AND u(record, 'job title') < 0.6 THEN job(country, pick(person, 'job', 1000)) END AS job_title,
            CASE WHEN x_typo_in_street AND street_2 IS NOT NULL THEN slip(street_2, record, 'street slip') ELSE street_2 END AS street,
            postcode_1 AS postcode, CASE WHEN x_capitals THEN upper(city_1) ELSE city_1 END AS city, country_3 AS country,
            CASE WHEN u(person, 'birth date') < 0.12 AND u(record, 'birth date') < 0.67 THEN birth_date END AS birth_date,
            TIMESTAMP '2012-01-01' + to_seconds(pick(record, 'created', 420000000)) AS created_at,
            {corruptions} AS corruptions
        FROM cased"""
