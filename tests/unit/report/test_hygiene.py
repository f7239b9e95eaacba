"""What free text holds, by category, and which fields could be lists of choices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import Contact, PostalAddress, RecordRef
from crm_steward.report import Digest, as_document, collect, render
from crm_steward.report.hygiene import Held, Hygiene, Typed
from crm_steward.rules import RuleBook, load_rules, pack_path
from crm_steward.scan import scan
from crm_steward.settings import Settings
from crm_steward.store.database import Database
from crm_steward.store.mirror import Mirror

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)
SETTINGS = Settings(timezone=ZoneInfo("UTC"), language="en")
PACK = load_rules([pack_path("freetext")])


def _mirror(database: Database, people: Iterable[Contact], at: datetime = NOW) -> None:
    page = Page(cursor=Cursor("1"), contacts=tuple(people), complete=True)
    mirror = Mirror(database)
    mirror.save_page("crm", "hubspot", page, now=at, full=True)
    mirror.note("crm", "hubspot", last_full_at=at, last_success_at=at, last_attempt_at=at)


def _contact(number: int, **values: Any) -> Contact:
    return Contact(ref=RecordRef("crm", str(number)), **values)


def _collect(database: Database, book: RuleBook = PACK) -> Digest:
    return collect(database, SETTINGS, book, now=NOW)


def test_what_texts_hold_is_counted_by_category(database: Database) -> None:
    """Contacts, notes among them, what is new; never the text, in no part of the report."""
    before = NOW - timedelta(days=20)
    old = _contact(1, notes="Suffers from diabetes, in chemotherapy")
    _mirror(database, [old], before)
    scan(database, PACK, clock=lambda: before)
    people = [
        old,
        _contact(2, extra={"remark": "chemotherapy"}),
        _contact(3, notes="Paid from FR7630006000011234567890189", extra={"remark": "diabetes"}),
        _contact(4, notes="Likes tea"),
    ]
    _mirror(database, people)
    twice = replace(PACK, rules=(*PACK.rules, PACK.rules[0].model_copy(update={"id": "again"})))
    scan(database, twice, clock=lambda: NOW)
    digest = _collect(database, twice)
    assert digest.hygiene.held == (
        Held(category="health", contacts=3, notes=1, new=2),
        Held(category="iban", contacts=1, notes=1, new=1),
    )
    shown = str(as_document(digest)) + "".join(render(digest, "fr").text)
    for text in ("chemotherapy", "diabetes", "76300060000"):
        assert text not in shown


def _titles(*titles: tuple[str, int]) -> list[str]:
    return [title for title, times in titles for _ in range(times)]


def test_fields_that_could_be_lists(database: Database) -> None:
    """Few things in several spellings; no list, no number, no name, nothing rare is such a field."""
    typed = _titles(("Directrice", 30), ("DIRECTRICE ", 9), ("Acheteur", 20), ("acheteur", 1))
    chosen = _titles(("web", 40), ("fair", 20))
    people = [
        _contact(
            place,
            job_title=title,
            source=source,
            extra={
                "number": f"{place % 3},0" if place % 2 else f"{place % 3}.0",
                "assistant": f"Person {place}" if place % 2 else f"PERSON {place}",
                "level/~1": "Élevé" if place % 2 else "eleve" if place % 4 else "bas",
                "flag": bool(place % 2),
                "one": "haut" if place % 2 else "HAUT",
            },
        )
        for place, (title, source) in enumerate(zip(typed, chosen, strict=True))
    ]
    few = _contact(99, address=PostalAddress(region="Bretagne"))
    _mirror(database, [*people, few])
    assert _collect(database, RuleBook(())).hygiene == Hygiene(
        typed=(
            Typed(
                connection="crm",
                field="extra.level/~1",
                contacts=60,
                spellings=3,
                values=2,
                covered=1.0,
            ),
            Typed(
                connection="crm", field="job_title", contacts=60, spellings=4, values=2, covered=1.0
            ),
        )
    )
