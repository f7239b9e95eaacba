"""A population in a Parquet file, made chunk by chunk so that memory does not grow with it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb
import pyarrow.parquet as pq

from world import chance, keys, people, records, stocks
from world.knobs import World

_CHUNK: Final = 250_000


def write(world: World, count: int, out: Path) -> None:
    """Write `count` records of `world` to a Parquet file.

    Args:
        world: What the population is like; the same world gives the same file.
        count: Number of records.
        out: The file.
    """
    con = duckdb.connect(config={"threads": 2})
    chance.define(con, world.seed)
    stocks.define(con, world, count)
    keys.define(con)
    writer: pq.ParquetWriter | None = None
    unit = 0
    for start in range(0, count, _CHUNK):
        wanted = min(_CHUNK, count - start)
        # A few more than needed on average: what is over is cut off.
        end = unit + int(wanted / people.records_of_a_unit(world) * 1.03) + 200
        people.create(con, world, count, unit, end)
        records.create(con, world)
        batches = keys.select(con, wanted).to_arrow_table()
        if len(batches) < wanted:
            raise RuntimeError(f"{len(batches)} records instead of {wanted}")
        writer = writer or pq.ParquetWriter(out, batches.schema, compression="zstd")
        writer.write_table(batches)
        unit = end
    if writer:
        writer.close()
    con.close()
