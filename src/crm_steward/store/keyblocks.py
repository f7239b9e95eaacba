"""Blocks of keys: how they lie in the database, and what a search of changes does to them."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from crm_steward.store.database import Database, chunked, upsert
from crm_steward.store.matchingtables import blocks, indexes, pairs, records

_AT_ONCE: Final = 2_000
"""Numbers asked for with one statement."""


@dataclass(slots=True)
class Staged:
    """What a search of changes wants to be kept."""

    changed: list[tuple[int, str, str]] = field(default_factory=list)
    old: dict[int, list[int]] = field(default_factory=dict)
    new: dict[int, list[int]] = field(default_factory=dict)
    marks: dict[int, int] = field(default_factory=dict)
    contents: dict[int, int] = field(default_factory=dict)
    affected: list[int] = field(default_factory=list)
    links: list[tuple[int, int]] = field(default_factory=list)
    decided: list[list[str]] = field(default_factory=list)


def rows_of(
    database: Database,
    reading: sa.Connection,
    table: sa.Table,
    rule: str,
    numbers: Iterable[int],
) -> list[Any]:
    """Return the rows of a rule whose second column is among some numbers, without the rule.

    Nothing is done to each row, for there may be many.
    """
    mark = "%s" if database.dialect == "postgresql" else "?"
    _, of, *others = table.columns.keys()
    wanted = sorted(set(numbers))
    rows: list[Any] = []
    for start in range(0, len(wanted), _AT_ONCE):
        some = ", ".join(map(str, wanted[start : start + _AT_ONCE]))
        text = (
            f"SELECT {', '.join([of, *others])} FROM {table.name} "
            f"WHERE rule = {mark} AND {of} IN ({some})"
        )
        rows += reading.exec_driver_sql(text, (rule,)).all()
    return rows


def keep(database: Database, writing: sa.Connection, rule: str, bits: int, staged: Staged) -> None:
    """Write what a search of changes found out.

    Args:
        database: The store.
        writing: The transaction of its findings.
        rule: The rule's id.
        bits: The first bits of a key that name its block.
        staged: What is kept.
    """
    gone = [n for n, _, _ in staged.changed if n not in staged.new]
    for chunk in chunked(gone):
        here = (records.c.rule == rule) & records.c.n.in_(chunk)
        writing.execute(sa.delete(records).where(here))
    rows = [
        {
            "rule": rule,
            "n": n,
            "connection": name,
            "id": one,
            "keys": _bytes([staged.contents[n], *staged.new[n]]),
        }
        for n, name, one in staged.changed
        if n in staged.new
    ]
    if rows:
        writing.execute(upsert(database, records, ["rule", "n"]), rows)
    last = max((n for n, _, _ in staged.changed), default=-1)
    number = sa.case((indexes.c.next_number > last, indexes.c.next_number), else_=last + 1)
    ours = sa.update(indexes).where(indexes.c.rule == rule)
    writing.execute(ours.values(next_number=number, decided=staged.decided))
    _rekey(database, writing, rule, bits, staged)
    for chunk in chunked(staged.affected):
        # Both ends of a pair are affected, or none is.
        here = (pairs.c.rule == rule) & pairs.c.one.in_(chunk)
        writing.execute(sa.delete(pairs).where(here))
    both = sorted({*staged.links, *((r, one) for one, r in staged.links)})
    if both:
        rows = [{"rule": rule, "one": one, "other": other} for one, other in both]
        writing.execute(sa.insert(pairs), rows)


def _rekey(
    database: Database, writing: sa.Connection, rule: str, bits: int, staged: Staged
) -> None:
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
            less[block_of(key, bits)].add((key, n))
        for key in now - before:
            more[block_of(key, bits)].add((key, n))
    buckets = {*less, *more}
    contents = dict(rows_of(database, writing, blocks, rule, buckets))
    rows = []
    for bucket in sorted(buckets):
        entries = set(_entries(contents.get(bucket, b""))) - less[bucket] | more[bucket]
        ordered = sorted(entries)
        content = _bytes(key for key, _ in ordered) + array("i", [n for _, n in ordered]).tobytes()
        rows.append({"rule": rule, "bucket": bucket, "content": content})
    if rows:
        writing.execute(upsert(database, blocks, ["rule", "bucket"]), rows)


def block_of(key: int, bits: int) -> int:
    """Return the number of the block that holds a key: its first bits."""
    return key >> (64 - bits) if bits else 0


def block_sql(key: str, bits: int) -> str:
    """Return the same in SQL."""
    return f"({key} >> {64 - bits})::BIGINT" if bits else "0::BIGINT"


def _bytes(keys: Iterable[int]) -> bytes:
    return array("Q", keys).tobytes()


def _entries(content: bytes) -> Iterator[tuple[int, int]]:
    count = len(content) // 12
    keys, numbers = array("Q"), array("i")
    keys.frombytes(content[: 8 * count])
    numbers.frombytes(content[8 * count :])
    return zip(keys, numbers, strict=True)


def runs(reader: pa.RecordBatchReader) -> Iterator[tuple[int, list[bytes]]]:
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
