"""Reads a SQLite file in a process of its own: columns, without a Python object for each value.

The driver that can do so brings its own copy of SQLite. Two copies in one process do not see each
other's locks, and take them away when they close the file (https://sqlite.org/howtocorrupt.html,
section 2.2.1); in a process of its own it is one more program that uses the file.

    python -m crm_steward.store.apart FILE MILLISECONDS ROWS

waits so long for others who use the file, and sends so many rows at a time. The statement comes by standard input; its rows but the
first leave by standard output as an Arrow stream. SQLite has no types to tell, and the driver takes
those of the first row, which is there for that. What goes wrong is said on standard error.
"""

from __future__ import annotations

import sys
from pathlib import Path

import adbc_driver_manager
import adbc_driver_sqlite.dbapi
import pyarrow as pa


def main(path: Path, wait: int, rows: int) -> None:
    """Answer one statement.

    Args:
        path: The SQLite file.
        wait: How long to wait for others, in milliseconds.
        rows: How many rows are sent at a time.
    """
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with adbc_driver_sqlite.dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {wait}")
        cursor.fetchall()
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(rows)})
        cursor.execute(sys.stdin.buffer.read().decode())
        reader = cursor.fetch_record_batch()
        with reader, pa.ipc.new_stream(sys.stdout.buffer, reader.schema) as stream:
            stream.write_batch(reader.read_next_batch().slice(1))
            for batch in reader:
                stream.write_batch(batch)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        sys.exit(str(error).partition("\n")[0])
