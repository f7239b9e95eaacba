"""The keys that duplicates are found by, kept from one search to the next.

A search of a million contacts has some fifteen million keys. They lie in blocks of a few hundred,
by their first bits: a contact that changed touches a handful of blocks, and a whole search writes
them in one go, as the two columns that they are.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from crm_steward.store.arrow import arrow_type
from crm_steward.store.columns import UtcTime
from crm_steward.store.database import Database, chunked, upsert
from crm_steward.store.matchingtables import blocks, indexes, pairs, records
from crm_steward.store.tables import contacts

if TYPE_CHECKING:
    import duckdb

_IN_A_BLOCK: Final = 256
"""Keys in a block, on average: as much as a database reads at once."""
_AT_ONCE: Final = 2_000
"""Rows written with one statement."""
_TRANSACTION: Final = 20
"""Statements in one transaction: nobody waits for all."""
_RECORD: Final = 31
"""The last bits of a key by which a record is found."""
_MARK: Final = (
    f"((hash('record', connection, id) & {2**64 - 1 - _RECORD}::UBIGINT) | {_RECORD}::UBIGINT)"
)
_KEYS: Final = pa.schema([("key", pa.uint64()), ("n", pa.int32())])
_RECORDS: Final = pa.schema(
    [
        ("n", pa.int32()),
        ("connection", pa.string()),
        ("id", pa.string()),
        ("keys", pa.list_(pa.uint64())),
    ]
)


@dataclass(slots=True)
class _Staged:
    """What a search of changes wants to be kept."""

    changed: list[tuple[int, str, str]] = field(default_factory=list)
    old: dict[int, list[int]] = field(default_factory=dict)
    new: dict[int, list[int]] = field(default_factory=dict)
    marks: dict[int, int] = field(default_factory=dict)
    affected: list[int] = field(default_factory=list)
    links: list[tuple[int, int]] = field(default_factory=list)
    decided: list[list[str]] = field(default_factory=list)


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
        self._staged: list[_Staged] = []

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
            f"SELECT {_bucket_of('key', self._bits)} AS bucket, key, n FROM ("
            f"SELECT key, n FROM {schema}.held UNION ALL SELECT {_MARK}, n FROM {schema}.records) "
            "ORDER BY key, n"
        )
        for bucket, (keys, numbers) in _runs(con.sql(query).to_arrow_reader(100_000)):
            yield self._rule, bucket, keys + numbers

    def _listed(self, con: duckdb.DuckDBPyConnection, schema: str) -> Iterator[tuple[Any, ...]]:
        query = f"SELECT n, key FROM {schema}.held ORDER BY n, key"
        with con.cursor() as cursor:
            names = cursor.execute(f"SELECT n, connection, id FROM {schema}.records ORDER BY n")
            runs = _runs(con.sql(query).to_arrow_reader(100_000))
            run = next(runs, None)
            while rows := names.fetchmany(_AT_ONCE):
                for n, connection, one in rows:
                    keys = b""
                    if run is not None and run[0] == n:
                        (keys,) = run[1]
                        run = next(runs, None)
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
        """Return number, connection, id and keys of the contacts in a table that are known.

        Args:
            con: Where the table is.
            table: Has connection and id.
        """
        wanted = {
            (connection, one): mark
            for connection, one, mark in con.execute(
                f"SELECT connection, id, {_MARK} FROM {table}"
            ).fetchall()
        }
        found = self.holders(wanted.values())
        rows = self.records(found["n"].to_pylist())
        here = [
            ref in wanted
            for ref in zip(*(rows[c].to_pylist() for c in ("connection", "id")), strict=True)
        ]
        return rows.filter(pa.array(here, pa.bool_()))

    def redecided(self, con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
        """Return connection and id of whom people decided something else about since.

        Args:
            con: Has the table `decisions`.
        """
        before, now = (
            {tuple(one) for one in some} for some in (self._here()["decided"], _decided(con))
        )
        return sorted({ref for one in before ^ now for ref in (one[:2], one[2:4])})

    def holders(self, keys: Iterable[int]) -> pa.Table:
        """Return who holds some keys: key, n."""
        self._here()
        wanted = set(keys)
        buckets = {_bucket(key, self._bits) for key in wanted}
        parts = [_KEYS.empty_table()]
        with self._database.read() as reading:
            for content in self._contents(reading, buckets).values():
                count = len(content) // 12
                buffer = pa.py_buffer(content)
                columns = [
                    pa.Array.from_buffers(pa.uint64(), count, [None, buffer.slice(0, 8 * count)]),
                    pa.Array.from_buffers(pa.int32(), count, [None, buffer.slice(8 * count)]),
                ]
                parts.append(pa.Table.from_arrays(columns, schema=_KEYS))
        all_ = pa.concat_tables(parts)
        here = pc.is_in(all_["key"], value_set=pa.array(wanted, pa.uint64()))
        return all_.filter(here)

    def _contents(self, reading: sa.Connection, buckets: Collection[int]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for chunk in chunked(sorted(buckets)):
            query = sa.select(blocks.c.bucket, blocks.c.content).where(
                blocks.c.rule == self._rule, blocks.c.bucket.in_(chunk)
            )
            found.update(tuple(row) for row in reading.execute(query))
        return found

    def records(self, numbers: Iterable[int]) -> pa.Table:
        """Return number, connection, id and keys of some contacts."""
        rows: list[Any] = []
        columns = (records.c.n, records.c.connection, records.c.id, records.c["keys"])
        with self._database.read() as reading:
            for chunk in chunked(sorted(set(numbers))):
                query = sa.select(*columns).where(
                    records.c.rule == self._rule, records.c.n.in_(chunk)
                )
                rows += reading.execute(query).all()
        if not rows:
            return _RECORDS.empty_table()
        n, connection, one, keys = zip(*rows, strict=True)
        ends = array("i", [0])
        for each in keys:
            ends.append(ends[-1] + len(each) // 8)
        flat = pa.Array.from_buffers(pa.uint64(), ends[-1], [None, pa.py_buffer(b"".join(keys))])
        offsets = pa.Array.from_buffers(pa.int32(), len(ends), [None, pa.py_buffer(ends)])
        listed = pa.ListArray.from_arrays(offsets, flat)
        return pa.table([n, connection, one, listed], schema=_RECORDS)

    def partners(self, numbers: Iterable[int]) -> list[tuple[int, int]]:
        """Return the pairs found before in which some contacts are, the lower number first."""
        found: set[tuple[int, int]] = set()
        with self._database.read() as reading:
            for chunk in chunked(sorted(numbers)):
                query = sa.select(pairs.c.one, pairs.c.other).where(
                    pairs.c.rule == self._rule, pairs.c.one.in_(chunk)
                )
                found.update((min(row), max(row)) for row in reading.execute(query))
        return sorted(found)

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

        staged = _Staged(
            changed=rows(f"SELECT n, connection, id FROM {schema}.changed ORDER BY n"),
            marks=dict(rows(f"SELECT n, {_MARK} FROM {schema}.changed")),
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
            self._keep(writing, staged)

    def _keep(self, writing: sa.Connection, staged: _Staged) -> None:
        gone = [n for n, _, _ in staged.changed if n not in staged.new]
        for chunk in chunked(gone):
            here = (records.c.rule == self._rule) & records.c.n.in_(chunk)
            writing.execute(sa.delete(records).where(here))
        rows = [
            {
                "rule": self._rule,
                "n": n,
                "connection": name,
                "id": one,
                "keys": _bytes(staged.new[n]),
            }
            for n, name, one in staged.changed
            if n in staged.new
        ]
        if rows:
            writing.execute(upsert(self._database, records, ["rule", "n"]), rows)
        last = max((n for n, _, _ in staged.changed), default=-1)
        number = sa.case((indexes.c.next_number > last, indexes.c.next_number), else_=last + 1)
        ours = sa.update(indexes).where(indexes.c.rule == self._rule)
        writing.execute(ours.values(next_number=number, decided=staged.decided))
        self._rekey(writing, staged)
        for chunk in chunked(staged.affected):
            # Both ends of a pair are affected, or none is.
            here = (pairs.c.rule == self._rule) & pairs.c.one.in_(chunk)
            writing.execute(sa.delete(pairs).where(here))
        both = sorted({*staged.links, *((r, one) for one, r in staged.links)})
        if both:
            rows = [{"rule": self._rule, "one": one, "other": other} for one, other in both]
            writing.execute(sa.insert(pairs), rows)

    def _rekey(self, writing: sa.Connection, staged: _Staged) -> None:
        """Take keys out of their blocks, and put others in."""
        less: dict[int, set[tuple[int, int]]] = defaultdict(set)
        more: dict[int, set[tuple[int, int]]] = defaultdict(set)
        for n, _, _ in staged.changed:
            before, now = set(staged.old.get(n, ())), set(staged.new.get(n, ()))
            if n in staged.old or n not in staged.new:
                before.add(staged.marks[n])
            if n in staged.new:
                now.add(staged.marks[n])
            for key in before - now:
                less[_bucket(key, self._bits)].add((key, n))
            for key in now - before:
                more[_bucket(key, self._bits)].add((key, n))
        buckets = {*less, *more}
        contents = self._contents(writing, buckets)
        rows = []
        for bucket in sorted(buckets):
            entries = set(_entries(contents.get(bucket, b""))) - less[bucket] | more[bucket]
            ordered = sorted(entries)
            content = (
                _bytes(key for key, _ in ordered) + array("i", [n for _, n in ordered]).tobytes()
            )
            rows.append({"rule": self._rule, "bucket": bucket, "content": content})
        if rows:
            writing.execute(upsert(self._database, blocks, ["rule", "bucket"]), rows)


def _decided(con: duckdb.DuckDBPyConnection) -> list[list[str]]:
    rows = con.execute(
        "SELECT left_connection, left_id, right_connection, right_id, verdict FROM decisions ORDER BY ALL"
    )
    return [list(row) for row in rows.fetchall()]


def _bucket(key: int, bits: int) -> int:
    return key >> (64 - bits) if bits else 0


def _bucket_of(key: str, bits: int) -> str:
    return f"({key} >> {64 - bits})::BIGINT" if bits else "0::BIGINT"


def _bytes(keys: Iterable[int]) -> bytes:
    return array("Q", keys).tobytes()


def _entries(content: bytes) -> Iterator[tuple[int, int]]:
    count = len(content) // 12
    keys, numbers = array("Q"), array("i")
    keys.frombytes(content[: 8 * count])
    numbers.frombytes(content[8 * count :])
    return zip(keys, numbers, strict=True)


def _runs(reader: pa.RecordBatchReader) -> Iterator[tuple[int, list[bytes]]]:
    """Yield each value of the first column with the bytes of the others, of rows in its order."""
    last: int | None = None
    kept: list[list[bytes]] = []
    for batch in reader:
        encoded = pc.run_end_encode(batch.column(0))
        values = [
            (bytes(column.buffers()[1]), column.offset, column.type.bit_width // 8)
            for column in batch.columns[1:]
        ]
        start = 0
        for value, end in zip(
            encoded.values.to_pylist(), encoded.run_ends.to_pylist(), strict=True
        ):
            cut = [content[(at + start) * w : (at + end) * w] for content, at, w in values]
            start = end
            if value == last:
                for so_far, more in zip(kept, cut, strict=True):
                    so_far.append(more)
                continue
            if last is not None:
                yield last, [b"".join(parts) for parts in kept]
            last, kept = value, [[one] for one in cut]
    if last is not None:
        yield last, [b"".join(parts) for parts in kept]


def forget_all(writing: sa.Connection) -> None:
    """Forget all keys: the next whole search leaves new ones behind."""
    for table in (indexes, records, blocks, pairs):
        writing.execute(sa.delete(table))
