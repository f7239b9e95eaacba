"""Work: the tables of one search for duplicates, apart from everything else in the connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import duckdb

_NUMBERS: Final = count(1)


@dataclass(frozen=True, slots=True)
class Work:
    """Where one search keeps what it finds out, step by step.

    Statements name its tables `matching.people`, `matching.pairs`; several searches on one
    connection do not meet.

    Args:
        con: The connection that holds the contacts.
        schema: The schema of the tables.
    """

    con: duckdb.DuckDBPyConnection
    schema: str

    def run(self, sql: str, **values: Any) -> duckdb.DuckDBPyConnection:
        """Run one statement; `values` are bound, those that it does not name are left out."""
        named = {name: value for name, value in values.items() if f"${name}" in sql}
        return self.con.execute(self.written(sql), named)

    def written(self, sql: str) -> str:
        """Return a statement with the names of these tables."""
        return sql.replace("matching.", f"{self.schema}.")

    def value(self, sql: str, **values: Any) -> Any:
        """Return the one value that a statement selects."""
        return self.run(sql, **values).fetchall()[0][0]


@contextmanager
def working(con: duckdb.DuckDBPyConnection) -> Iterator[Work]:
    """Give a place to work; its tables are dropped at the end."""
    work = Work(con, f"matching_{next(_NUMBERS)}")
    con.execute(f"CREATE SCHEMA {work.schema}")
    try:
        yield work
    finally:
        con.execute(f"DROP SCHEMA {work.schema} CASCADE")
