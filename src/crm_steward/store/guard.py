"""Triggers that keep the journal append-only, whoever writes to the database.

Lines are added and never removed or changed, but for what must be forgotten: a line's values may be
taken out, and who it is about, each together with its salt and once (see `chain`). Whoever owns the
database can drop a trigger; then the chain tells.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

_KEPT: Final = (
    *("seq", "run", "plan", "state", "kind", "connection", "rule", "undoes", "epoch", "at"),
    *("fields", "values_hash", "subject_hash", "previous", "hash"),
)
_VALUES: Final = ("change", "reason")
_SUBJECT: Final = ("id", "remote_id", "key", "finding")

REFUSED: Final = "the journal is append-only"
"""What the database says when somebody tries."""


def create(connection: sa.Connection) -> None:
    """Make the triggers in the database behind `connection`."""
    make = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL
    for statement in make:
        connection.execute(sa.text(statement))


def _same(columns: tuple[str, ...]) -> str:
    return " AND ".join(f'NEW."{name}" IS NOT DISTINCT FROM OLD."{name}"' for name in columns)


def _taken_out(salt: str) -> str:
    return f"(OLD.{salt} IS NOT NULL AND NEW.{salt} IS NULL)"


_ALLOWED: Final = f"""
    {_same(_KEPT)}
    AND ({_taken_out("values_salt")}
         OR ({_same((*_VALUES, "values_salt", "purged_at"))})
         OR ({_taken_out("subject_salt")} AND NEW.values_salt IS NULL
             AND NEW.change IS NULL AND NEW.reason = ''))
    AND ({_taken_out("subject_salt")} OR ({_same((*_SUBJECT, "subject_salt"))}))
"""

# SQLite knows IS NOT DISTINCT FROM since 3.39 only.
_SQLITE: Final = (
    f"""CREATE TRIGGER journal_stays BEFORE DELETE ON journal
    BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END""",
    f"""CREATE TRIGGER journal_holds BEFORE UPDATE ON journal
    WHEN NOT ({_ALLOWED.replace("IS NOT DISTINCT FROM", "IS")})
    BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END""",
)

_POSTGRESQL: Final = (
    f"""CREATE FUNCTION journal_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '{REFUSED}'; END $$""",
    """CREATE TRIGGER journal_stays BEFORE DELETE ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_refuses()""",
    """CREATE TRIGGER journal_is_not_emptied BEFORE TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_refuses()""",
    f"""CREATE TRIGGER journal_holds BEFORE UPDATE ON journal
    FOR EACH ROW WHEN (NOT ({_ALLOWED})) EXECUTE FUNCTION journal_refuses()""",
)
