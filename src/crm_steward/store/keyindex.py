"""The keys that duplicates are found by, kept from one search to the next.

A search of a million contacts has some fifteen million keys. They lie in blocks of a few hundred,
by their first bits: a contact that changed touches a handful of blocks, and a whole search writes
them in one go, as the two columns that they are.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from crm_steward.model import COMPARED
from crm_steward.store.arrow import arrow_type
from crm_steward.store.columns import UtcTime
from crm_steward.store.database import Database, chunked
from crm_steward.store.keyblocks import Staged, block_of, block_sql, keep, rows_of, runs
from crm_steward.store.matchingtables import blocks, indexes, pairs, records
from crm_steward.store.tables import contacts

if TYPE_CHECKING:
    import duckdb

_IN_A_BLOCK: Final = 64
"""Keys in a block, on average: read whole for one of them, and written whole."""
_AT_ONCE: Final = 2_000
"""Rows written with one statement."""
_TRANSACTION: Final = 20
"""Statements in one transaction: nobody waits for all."""
_RECORD: Final = 31
"""The last bits of a key by which a record is found."""
_MARK: Final = (
    f"((hash('record', connection, id) & {2**64 - 1 - _RECORD}::UBIGINT) | {_RECORD}::UBIGINT)"
)
_CONTENT: Final = f"hash({', '.join(COMPARED)})"
"""SQL of what changes when anything does that is compared; it lies before the keys of a record."""
_KEYS: Final = pa.schema([("key", pa.uint64()), ("n", pa.int32())])
_RECORDS: Final = pa.schema(
    [
        ("n", pa.int32()),
        ("connection", pa.string()),
        ("id", pa.string()),
        ("content", pa.uint64()),
        ("keys", pa.list_(pa.uint64())),
    ]
)


class KeyIndex:
    """The keys of all contacts as one rule compares them, and the pairs that it found.

    Args:
        database: The store.
        rule: The rule's id.
        signature: What the keys depend on besides the contacts: others than these are of no use.
    """

    def __init__(self, database: Database, rule: str, signature: str) -> None:
        self._database = database
        self._rule = rule
        self._signature = signature
        self._bits = 0
        self._written = False
        self._staged: list[Staged] = []

    def valid(self) -> bool:
        """Whether a whole search left keys behind that are of use."""
        row = self._row()
        return row is not None and row["complete"] and row["signature"] == self._signature

    def _row(self) -> dict[str, Any] | None:
        query = sa.select(indexes).where(indexes.c.rule == self._rule)
        with self._database.read() as reading:
            row = reading.execute(query).mappings().one_or_none()
        return None if row is None else dict(row)

    def _here(self) -> dict[str, Any]:
        row = self._row()
        if row is None:
            raise LookupError("no whole search left keys behind")
        self._bits = row["bits"]
        return row

    # A whole search.

    def write(self, con: duckdb.DuckDBPyConnection, schema: str) -> None:
        """Take everything anew. Until `save`, what is here is of no use to anybody.

        Args:
            con: Where the tables are.
            schema: Holds `counts` (kind, value, holders), `records` (n, connection, id) and
                `held` (key, n).
        """
        ((held, known),) = con.execute(
            f"SELECT (SELECT count(*) FROM {schema}.held), (SELECT coalesce(max(n), -1) FROM {schema}.records)"
        ).fetchall()
        self._bits = max(0, ((held + known) // _IN_A_BLOCK).bit_length())
        counts = con.sql(f"FROM {schema}.counts").to_arrow_table()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, counts.schema) as stream:
            stream.write_table(counts)
        with self._database.write() as writing:
            for table in (indexes, records, blocks, pairs):
                writing.execute(sa.delete(table).where(table.c.rule == self._rule))
            row = {
                "rule": self._rule,
                "signature": self._signature,
                "complete": False,
                "bits": self._bits,
                "next_number": known + 1,
                "counts": sink.getvalue().to_pybytes(),
                "decided": _decided(con),
            }
            writing.execute(sa.insert(indexes), row)
        self._insert(blocks, self._packed(con, schema))
        self._insert(records, self._listed(con, schema))
        self._written = True

    def write_pairs(self, con: duckdb.DuckDBPyConnection, schema: str) -> None:
        """Take the pairs that were found.

        Args:
            con: Where the table is.
            schema: Holds `pairs` (l, r).
        """
        both = f"SELECT l, r FROM {schema}.pairs UNION ALL SELECT r, l FROM {schema}.pairs"
        reader = con.sql(f"SELECT * FROM ({both}) ORDER BY ALL").to_arrow_reader(100_000)
        rows = (
            (self._rule, one, other)
            for batch in reader
            for one, other in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        )
        self._insert(pairs, rows)

    def _packed(self, con: duckdb.DuckDBPyConnection, schema: str) -> Iterator[tuple[Any, ...]]:
        query = (
            f"SELECT {block_sql('key', self._bits)} AS bucket, key, n FROM ("
            f"SELECT key, n FROM {schema}.held UNION ALL SELECT {_MARK}, n FROM {schema}.records) "
            "ORDER BY key, n"
        )
        for bucket, (keys, numbers) in runs(con.sql(query).to_arrow_reader(100_000)):
            yield self._rule, bucket, keys + numbers

    def _listed(self, con: duckdb.DuckDBPyConnection, schema: str) -> Iterator[tuple[Any, ...]]:
        query = (
            "SELECT n, key FROM ("
            f"SELECT n, 0 AS place, {_CONTENT} AS key FROM contacts "
            f"JOIN {schema}.records USING (connection, id) "
            f"UNION ALL SELECT n, 1, key FROM {schema}.held) ORDER BY n, place, key"
        )
        with con.cursor() as cursor:
            names = cursor.execute(f"SELECT n, connection, id FROM {schema}.records ORDER BY n")
            held = runs(con.sql(query).to_arrow_reader(100_000))
            run = next(held, None)
            while rows := names.fetchmany(_AT_ONCE):
                for n, connection, one in rows:
                    keys = b""
                    if run is not None and run[0] == n:
                        (keys,) = run[1]
                        run = next(held, None)
                    yield self._rule, n, connection, one, keys

    def _insert(self, table: sa.Table, rows: Iterator[tuple[Any, ...]]) -> None:
        mark = "%s" if self._database.dialect == "postgresql" else "?"
        values = ", ".join(mark for _ in table.columns)
        text = f"INSERT INTO {table.name} ({', '.join(table.columns.keys())}) VALUES ({values})"
        chunk = list(islice(rows, _AT_ONCE))
        while chunk:
            with self._database.write() as writing:
                for _ in range(_TRANSACTION):
                    writing.exec_driver_sql(text, chunk)
                    chunk = list(islice(rows, _AT_ONCE))
                    if not chunk:
                        break

    # A search of changes.

    def counts(self) -> pa.Table:
        """Return how common values were at the last whole search: kind, value, holders."""
        with pa.ipc.open_stream(self._here()["counts"]) as reader:
            return reader.read_all()

    def next_number(self) -> int:
        """Return the first number that no contact has."""
        number: int = self._here()["next_number"]
        return number

    def find(self, con: duckdb.DuckDBPyConnection, table: str) -> pa.Table:
        """Return number, connection, id, content and keys of the contacts in a table that are known.

        And `same`: whether they are there and nothing changed in them that is compared.

        Args:
            con: Where the table is.
            table: Has connection and id.
        """
        rows = con.execute(
            f"SELECT connection, id, mark, content FROM (SELECT connection, id, {_MARK} AS mark FROM {table}) "
            f"LEFT JOIN (SELECT connection, id, {_CONTENT} AS content FROM contacts) USING (connection, id)"
        ).fetchall()
        contents = {(connection, one): content for connection, one, _, content in rows}
        numbers = self.holders(mark for _, _, mark, _ in rows)["n"].to_pylist()
        known = self.records(numbers)
        refs = list(zip(*(known[name].to_pylist() for name in ("connection", "id")), strict=True))
        same = [
            contents.get(ref) == content
            for ref, content in zip(refs, known["content"].to_pylist(), strict=True)
        ]
        marked = known.append_column("same", pa.array(same, pa.bool_()))
        return marked.filter(pa.array([ref in contents for ref in refs], pa.bool_()))

    def redecided(self, con: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str, str]]:
        """Return the pairs about which people decided something else since.

        Args:
            con: Has the table `decisions`.
        """
        before, now = (
            {tuple(one) for one in some} for some in (self._here()["decided"], _decided(con))
        )
        return sorted({(one[0], one[1], one[2], one[3]) for one in before ^ now})

    def holders(self, keys: Iterable[int]) -> pa.Table:
        """Return who holds some keys: key, n."""
        self._here()
        wanted = set(keys)
        buckets = {block_of(key, self._bits) for key in wanted}
        with self._database.read() as reading:
            contents = [
                content
                for _, content in rows_of(self._database, reading, blocks, self._rule, buckets)
            ]
        counts = [len(content) // 12 for content in contents]
        parts = list(zip(contents, counts, strict=True))
        buffers = (
            b"".join(content[: 8 * count] for content, count in parts),
            b"".join(content[8 * count :] for content, count in parts),
        )
        columns = [
            pa.Array.from_buffers(of.type, sum(counts), [None, pa.py_buffer(buffer)])
            for of, buffer in zip(_KEYS, buffers, strict=True)
        ]
        all_ = pa.Table.from_arrays(columns, schema=_KEYS)
        return all_.filter(pc.is_in(all_["key"], value_set=pa.array(wanted, pa.uint64())))

    def records(self, numbers: Iterable[int]) -> pa.Table:
        """Return number, connection, id, content and keys of some contacts."""
        with self._database.read() as reading:
            rows = rows_of(self._database, reading, records, self._rule, numbers)
        if not rows:
            return _RECORDS.empty_table()
        n, connection, one, held = zip(*rows, strict=True)
        ends = array("i", [0])
        for each in held:
            ends.append(ends[-1] + len(each) // 8 - 1)
        first, flat = (
            pa.Array.from_buffers(pa.uint64(), count, [None, pa.py_buffer(b"".join(parts))])
            for count, parts in (
                (len(held), [each[:8] for each in held]),
                (ends[-1], [each[8:] for each in held]),
            )
        )
        offsets = pa.Array.from_buffers(pa.int32(), len(ends), [None, pa.py_buffer(ends)])
        keys = pa.ListArray.from_arrays(offsets, flat)
        return pa.table([n, connection, one, first, keys], schema=_RECORDS)

    def partners(self, numbers: Iterable[int]) -> list[tuple[int, int]]:
        """Return the pairs found before in which some contacts are, the lower number first."""
        with self._database.read() as reading:
            rows = rows_of(self._database, reading, pairs, self._rule, numbers)
        return sorted({(min(row), max(row)) for row in rows})

    def contacts(self, refs: Iterable[tuple[str, str]], columns: Collection[str]) -> pa.Table:
        """Return columns of the contacts that are there; times as timestamps in UTC.

        Args:
            refs: Connection and id.
            columns: Names of columns.
        """
        wanted = [contacts.c[name] for name in columns]
        by_connection: dict[str, list[str]] = defaultdict(list)
        for connection, one in refs:
            by_connection[connection].append(one)
        rows: list[Any] = []
        # Times stay numbers: nothing is done to each of them here.
        plain = [
            sa.type_coerce(c, sa.Integer) if isinstance(c.type, UtcTime) else c for c in wanted
        ]
        with self._database.read() as reading:
            for connection, ids in by_connection.items():
                for chunk in chunked(sorted(ids)):
                    query = sa.select(*plain).where(
                        contacts.c.connection == connection,
                        contacts.c.id.in_(chunk),
                        contacts.c.gone_at.is_(None),
                    )
                    rows += reading.execute(query).all()
        values = list(zip(*rows, strict=True)) or [() for _ in wanted]
        arrays = [
            pa.array(value, arrow_type(c)).cast(pa.timestamp("us"))
            if isinstance(c.type, UtcTime)
            else pa.array(value, arrow_type(c))
            for value, c in zip(values, wanted, strict=True)
        ]
        return pa.table(dict(zip(columns, arrays, strict=True)))

    def stage(self, con: duckdb.DuckDBPyConnection, schema: str) -> None:
        """Take what a search of changes found out, to be kept by `save`.

        Args:
            con: Where the tables are.
            schema: Holds `changed` (n, connection, id), `old` and `new` (key, n: their keys before
                and now), `affected` (n: whose pairs were looked for) and `links` (l, r: the pairs).
        """

        def rows(what: str) -> list[Any]:
            return con.execute(what).fetchall()

        staged = Staged(
            changed=rows(f"SELECT n, connection, id FROM {schema}.changed ORDER BY n"),
            marks=dict(rows(f"SELECT n, {_MARK} FROM {schema}.changed")),
            contents=dict(
                rows(
                    f"SELECT n, {_CONTENT} FROM contacts JOIN {schema}.changed USING (connection, id)"
                )
            ),
            affected=[n for (n,) in rows(f"SELECT n FROM {schema}.affected ORDER BY n")],
            links=rows(f"SELECT l, r FROM {schema}.links ORDER BY ALL"),
            decided=_decided(con),
        )
        for name, held in (("old", staged.old), ("new", staged.new)):
            for key, n in rows(f"SELECT key, n FROM {schema}.{name} ORDER BY key"):
                held.setdefault(n, []).append(key)
        self._staged.append(staged)

    def save(self, writing: sa.Connection) -> None:
        """Keep what a search found out, in the transaction that keeps its findings."""
        if self._written:
            done = sa.update(indexes).where(indexes.c.rule == self._rule)
            writing.execute(done.values(complete=True))
        for staged in self._staged:
            keep(self._database, writing, self._rule, self._bits, staged)


def _decided(con: duckdb.DuckDBPyConnection) -> list[list[str]]:
    rows = con.execute(
        "SELECT left_connection, left_id, right_connection, right_id, verdict FROM decisions ORDER BY ALL"
    )
    return [list(row) for row in rows.fetchall()]


def forget_keys(writing: sa.Connection, *, but_of: Collection[str] = ()) -> None:
    """Forget the keys of all rules but some; the next whole scan of the others leaves new ones behind.

    Args:
        writing: The transaction.
        but_of: Ids of rules.
    """
    for table in (indexes, records, blocks, pairs):
        writing.execute(sa.delete(table).where(table.c.rule.not_in(sorted(but_of))))
