"""Contacts as Splink is given them: numbered, with what blocking and comparing need worked out once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from crm_steward.matching.given_names import TITLES, formal_names
from crm_steward.normalize import ROLE_NAMES

if TYPE_CHECKING:
    import duckdb

_READ: Final = (
    *("connection", "id", "email_key", "email_domain", "phone_key", "mobile_key"),
    *("first_name_key", "last_name_key", "name_key", "company_key"),
    *("street_key", "city_key", "postcode_key", "birth_date"),
)
_FEW: Final = (
    *("email_key", "email_local", "email_domain", "phone_key", "mobile_key"),
    *("name_key", "company_key", "street_key"),
)
"""Columns that block by themselves, and therefore only where a value has few holders."""

_TITLES: Final = ", ".join(f"'{title}'" for title in TITLES)
_ROLES: Final = ", ".join(f"'{name}'" for name in sorted(ROLE_NAMES))

_MOST_HOLDERS: Final = 50
"""Holders of one value beyond which it identifies nobody: a switchboard, a placeholder."""

_RECALL: Final = 0.6
"""How many of the pairs of one person are expected to agree on the whole name and one of `_PROOF`."""
_PROOF: Final = ("few_email_key", "few_mobile_key", "few_phone_key", "few_street_key", "birth_date")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Contacts made ready, in a database of their own.

    Args:
        con: Connected to that database, where they are table `splink_people`.
        table: The table's name for the connection they were read by.
        filled: Its columns that hold something.
        count: How many contacts there are.
    """

    con: duckdb.DuckDBPyConnection
    table: str
    filled: frozenset[str]
    count: int

    def prior(self) -> float:
        """Return how probable it is that two contacts drawn at random are one person.

        Pairs with the same name and one more thing in common are counted, and those that slips and
        changes hide are added.
        """
        rules = [column for column in _PROOF if column in self.filled]
        sure = " UNION ".join(
            f"SELECT l.number, r.number FROM splink_people l JOIN splink_people r USING (few_name_key, {column})"
            " WHERE l.number < r.number"
            for column in rules
        )
        found = self._count(f"({sure})") if rules and "few_name_key" in self.filled else 0
        everything = self.count * (self.count - 1) / 2
        return min(max(found, 1) / _RECALL / everything, 0.5)

    def pairs_on(self, columns: Sequence[str]) -> int:
        """Return how many pairs agree on all `columns`; 0 where one of them is empty."""
        if not self.filled.issuperset(columns):
            return 0
        return self._count(
            f"(SELECT count(*) AS holders FROM splink_people WHERE {_all_filled(columns)}"
            f" GROUP BY {', '.join(columns)})",
            "coalesce(sum(holders * (holders - 1) // 2), 0)::BIGINT",
        )

    def _count(self, relation: str, what: str = "count(*)") -> int:
        (row,) = self.con.execute(f"SELECT {what} FROM {relation}").fetchall()
        return int(row[0])


@contextmanager
def prepared(con: duckdb.DuckDBPyConnection) -> Iterator[Prepared]:
    """Prepare table `contacts` of `con`; nothing remains in it.

    Columns that `contacts` lacks are taken as empty.
    """
    place = f"splink_{uuid4().hex}"
    con.execute(f"ATTACH ':memory:' AS {place}")
    try:
        con.execute(
            _nicknames(place), [list(formal_names()), [list(n) for n in formal_names().values()]]
        )
        con.execute(_numbered(place, _columns(con)))
        con.execute(_with_blocks(place))
        with con.cursor() as cursor:
            cursor.execute(f"USE {place}")
            filled, count = _contents(cursor)
            yield Prepared(con=cursor, table=f"{place}.splink_people", filled=filled, count=count)
    finally:
        con.execute(f"DETACH {place}")


def _columns(con: duckdb.DuckDBPyConnection) -> str:
    there = {name for name, *_ in con.execute("DESCRIBE contacts").fetchall()}
    read = {column: column if column in there else "NULL" for column in _READ}
    for column in ("first_name_key", "last_name_key", "name_key"):
        read[column] = _untitled(read[column])
    if "birth_date" in there:
        read["birth_date"] = "birth_date::DATE"
    if "email_key" in there:
        read["email_domain"] = "nullif(split_part(email_key, '@', 2), '')"
        # A function's mailbox is many people's: it says where somebody works, as its domain does.
        read["email_key"] = (
            f"CASE WHEN split_part(email_key, '@', 1) NOT IN ({_ROLES}) THEN email_key END"
        )
    return ", ".join(f"{value}::VARCHAR AS {column}" for column, value in read.items())


def _untitled(column: str) -> str:
    kept = f"list_filter(string_split({column}, ' '), lambda word: word NOT IN ({_TITLES}))"
    return f"nullif(array_to_string({kept}, ' '), '')"


def _nicknames(place: str) -> str:
    return f"CREATE TABLE {place}.nicknames AS SELECT unnest(?::VARCHAR[]) AS nickname, unnest(?::VARCHAR[][]) AS names"


def _numbered(place: str, columns: str) -> str:
    return f"""
        CREATE TABLE {place}.numbered AS
        SELECT *, split_part(email_key, '@', 1) AS email_local,
            split_part(first_name_key, ' ', 1) AS given_name
        FROM (SELECT row_number() OVER (ORDER BY connection, id) AS number, {columns} FROM contacts)
    """


def _with_blocks(place: str) -> str:
    few = ", ".join(
        f"""CASE WHEN {column} NOT IN (
            SELECT {column} FROM {place}.numbered WHERE {column} IS NOT NULL
            GROUP BY {column} HAVING count(*) > {_MOST_HOLDERS}
        ) THEN {column} END AS few_{column}"""
        for column in _FEW
    )
    return f"""
        CREATE TABLE {place}.splink_people AS
        SELECT numbered.*, {few},
            list_concat([first_name_key], coalesce(by_name.names, by_given.names, [])) AS first_names
        FROM {place}.numbered
        LEFT JOIN {place}.nicknames by_name ON by_name.nickname = first_name_key
        LEFT JOIN {place}.nicknames by_given ON by_given.nickname = given_name
    """


def _contents(cursor: duckdb.DuckDBPyConnection) -> tuple[frozenset[str], int]:
    """Return the columns of `splink_people` that hold something, and how many people there are."""
    cursor.execute("DROP TABLE numbered")
    cursor.execute("DROP TABLE nicknames")
    names = [name for name, *_ in cursor.execute("DESCRIBE splink_people").fetchall()]
    counts = ", ".join(f"count({name})" for name in names)
    ((total, *filled),) = cursor.execute(f"SELECT count(*), {counts} FROM splink_people").fetchall()
    return frozenset(name for name, held in zip(names, filled, strict=True) if held), total


def _all_filled(columns: Sequence[str]) -> str:
    return " AND ".join(f"{column} IS NOT NULL" for column in columns)
