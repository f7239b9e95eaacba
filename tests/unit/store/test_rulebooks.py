"""The rules that ran, and whether those on disk can be used."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from crm_steward.store.database import Database
from crm_steward.store.rulebooks import Broken, Rulebooks, broken_rules

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def test_the_last_rules_that_ran_are_given_back(database: Database) -> None:
    """Old ones go; the same rules again become the last ones without a second copy."""
    books = Rulebooks(database)
    assert books.last() is None
    for number in range(30):
        at = NOW + timedelta(hours=number)
        books.save(f"digest {number}", {"own.yaml": f"# {number} é"}, now=at)
    books.save("digest 20", {"own.yaml": "# 20 é"}, now=NOW + timedelta(days=9))

    assert books.last() == {"own.yaml": "# 20 é"}


def test_broken_rules_are_noted_from_the_first_moment_until_they_are_mended(
    database: Database,
) -> None:
    """Other mistakes in the same breakage keep its beginning; mended rules leave no trace."""
    books = Rulebooks(database)

    def noted() -> Broken | None:
        with database.read() as reading:
            return broken_rules(reading)

    books.note((), now=NOW)
    assert noted() is None
    books.note(("own.yaml:1:1: no",), now=NOW)
    books.note(("own.yaml:2:1: no", "own.yaml:3:1: no"), now=NOW + timedelta(days=2))
    assert noted() == Broken(NOW, ("own.yaml:2:1: no", "own.yaml:3:1: no"))
    books.note((), now=NOW + timedelta(days=3))
    assert noted() is None
