"""The tables of the keys that duplicates are found by; `keyindex` reads and writes them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Table, Text

from crm_steward.store.columns import Json
from crm_steward.store.tables import metadata

indexes = Table(
    "matching_indexes",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("signature", Text, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("bits", Integer, nullable=False),  # first bits of a key that name its block
    Column("next_number", Integer, nullable=False),
    Column("counts", LargeBinary, nullable=False),  # an Arrow stream
    Column("decided", Json, nullable=False),  # [[connection, id, connection, id, verdict]]
)

records = Table(
    "matching_records",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("connection", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("keys", LargeBinary, nullable=False),  # 8 bytes each, after as many of what is compared
    sqlite_with_rowid=False,
)

blocks = Table(
    "matching_blocks",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("bucket", BigInteger, primary_key=True),
    Column("content", LargeBinary, nullable=False),  # keys of 8 bytes, then numbers of 4
)

pairs = Table(
    "matching_pairs",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("one", Integer, primary_key=True),
    Column("other", Integer, primary_key=True),
    sqlite_with_rowid=False,
)
"""Each pair both ways round."""
