"""Invented contacts as the mirror holds them, keyed by the program's own normalisers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

import duckdb
import pyarrow as pa

from crm_steward import normalize as n
from crm_steward.matching import COLUMNS, LEVELS, Group, Matches, Wanted, find_groups

ANY_LEVEL = Wanted(levels=tuple(LEVELS), at_least=None)
"""Every level, and nothing without one."""
BY_SCORE = Wanted()
"""What all evidence together says."""

SCHEMA = pa.schema(
    [(name, pa.timestamp("us") if name == "birth_date" else pa.string()) for name in COLUMNS]
)
Row = dict[str, Any]
Decided = tuple[str, str, str]
"""Two ids and `same` or `different`."""


@dataclass(frozen=True, slots=True)
class Person:
    """One contact, as somebody typed it."""

    id: str
    first: str | None = None
    last: str | None = None
    email: str | None = None
    phone: str | None = None
    mobile: str | None = None
    company: str | None = None
    street: str | None = None
    postcode: str | None = None
    city: str | None = None
    born: str | None = None
    more_emails: Sequence[str] = ()
    more_phones: Sequence[str] = ()
    country: str = "FR"
    connection: str = "crm"

    def row(self) -> Row:
        """Return its row of `contacts`."""
        emails = [one for one in (self.email, *self.more_emails) if one]
        phones = [one for one in (self.phone, self.mobile, *self.more_phones) if one]
        return {
            "connection": self.connection,
            "id": self.id,
            "email_key": n.email_key(self.email),
            "email_keys": json.dumps([n.email_key(one) or "" for one in emails]),
            "phone_key": n.phone_e164(self.phone, self.country),
            "mobile_key": n.phone_e164(self.mobile, self.country),
            "phone_keys": json.dumps([n.phone_e164(one, self.country) or "" for one in phones]),
            "first_name_key": n.name_key(self.first),
            "last_name_key": n.name_key(self.last),
            "name_key": n.person_key(self.first, self.last),
            "company_key": n.company_key(self.company),
            "street_key": n.place_key(self.street),
            "postcode_key": n.postcode_key(self.postcode),
            "city_key": n.place_key(self.city),
            "country_code": self.country,
            "birth_date": datetime.fromisoformat(self.born) if self.born else None,
        }


def mirror(rows: Iterable[Row], decisions: Sequence[Decided] = ()) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection whose table `contacts` holds `rows`."""
    con = duckdb.connect(config={"threads": 1})
    con.register("given", pa.Table.from_pylist(list(rows), schema=SCHEMA))
    con.execute("CREATE TABLE contacts AS FROM given")
    con.unregister("given")
    if decisions:
        con.execute(
            "CREATE TABLE decisions (left_connection VARCHAR, left_id VARCHAR, "
            "right_connection VARCHAR, right_id VARCHAR, verdict VARCHAR)"
        )
        con.executemany("INSERT INTO decisions VALUES ('crm', ?, 'crm', ?, ?)", decisions)
    return con


def matches(
    *people: Person, wanted: Wanted = BY_SCORE, decisions: Sequence[Decided] = ()
) -> Matches:
    """Return what matching finds among `people`."""
    return find_groups(mirror((one.row() for one in people), decisions), wanted)


def groups_of(
    *people: Person, wanted: Wanted = BY_SCORE, decisions: Sequence[Decided] = ()
) -> list[Group]:
    """Return the groups among `people`."""
    return matches(*people, wanted=wanted, decisions=decisions).groups


def ids(groups: Iterable[Group]) -> list[list[str]]:
    """Return the members' ids, group by group."""
    return [[ref.id for ref in group.refs] for group in groups]


def _words(text: str) -> list[str]:
    return text.split()


FIRST = _words(
    "Jean Marie Pierre Michel Anne Philippe Catherine Nicolas Isabelle Alain Nathalie Patrick Sylvie "
    "Christophe Martine Jacques Julien Sophie Paul Louis Claire Thomas Camille Louise Hugo Emma Lucas"
)
LAST = _words(
    "Martin Bernard Dubois Thomas Robert Petit Durand Leroy Moreau Simon Laurent Lefevre Roux Girard "
    "Bonnet Dupont Lambert Fontaine Rousseau Vincent Muller Faure Mercier Blanc Guerin Boyer Garnier"
)
_SYLLABLES = (
    _words("ba be bo bri cha che cou da de dou fa fe fla gar gi gou ha jo la le lo ma mi mon"),
    _words("ber bin cha dan det fre gal gue lan lar lin mar mel nar net pel ran ron sar ver vi"),
    _words("aud ault bert dier eau el er et ier in lot mont on oud rd ssel tel try vel y"),
)
CITIES = ("Paris", "Lyon", "Marseille", "Toulouse", "Nice", "Nantes", "Lille", "Rennes", "Brest")


def town(count: int) -> Iterator[Row]:
    """Give contacts whose names are as common as names are in France: one in 30 Jean, one in 160 Martin."""
    chance = random.Random(20)  # noqa: S311 -- invented people
    invented = ["".join(parts).capitalize() for parts in product(*_SYLLABLES)]
    chance.shuffle(invented)
    firsts, lasts = FIRST + invented[:300], LAST + invented[300:5_300]
    first_weights = [1 / (rank + 10) for rank in range(len(firsts))]
    last_weights = [1 / (rank + 30) for rank in range(len(lasts))]
    names = zip(
        chance.choices(firsts, first_weights, k=count),
        chance.choices(lasts, last_weights, k=count),
        strict=True,
    )
    for number, (first, last) in enumerate(names):
        yield Person(
            f"town-{number:05}",
            first,
            last,
            email=f"{first[0]}{last}{number}@orange.fr",
            mobile=f"+336{number * 4_201 % 100_000_000:08}",
            city=chance.choices(CITIES, [1 / (rank + 1) for rank in range(len(CITIES))])[0],
        ).row()
