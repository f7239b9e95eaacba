"""The mirror keeps what the CRM held, exactly, and says what changed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_steward.connect.protocol import Cursor, Gone, Page, Poison
from crm_steward.model import (
    FIELDS,
    KEPT,
    AddressStatus,
    Channel,
    Clock,
    Consent,
    ConsentStatus,
    Contact,
    Email,
    FieldType,
    Phone,
    PhoneKind,
    PostalAddress,
    RecordRef,
    Revision,
    SourceType,
    Stage,
)
from crm_steward.store.database import Database
from crm_steward.store.mirror import Mirror
from crm_steward.store.relation import open_relation
from crm_steward.store.rows import content_of

_AGREED = Consent(channel=Channel.EMAIL, status=ConsentStatus.GRANTED)
GRANTED = datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)


def contact(number: int, **values: object) -> Contact:
    """Return an invented contact."""
    given: dict[str, object] = {
        "ref": RecordRef("crm", str(number)),
        "revision": Revision(f"r{number}"),
        "first_name": "INÈS",
        "last_name": "d'Été",
        "emails": (Email(f"Zoe.{number}@Example.com"), Email("old@example.org")),
        "phones": (Phone("01 99 00 12 34"), Phone("06 12 34 56 78", PhoneKind.MOBILE)),
        "company": "Été & Fils SARL",
        "address": PostalAddress(city="Lyon", country="France"),
        "stage": Stage.PROSPECT,
        "created_at": datetime(2023, 1, 1, tzinfo=UTC),
        "consents": (
            Consent(channel=Channel.EMAIL, status=ConsentStatus.GRANTED, given_at=GRANTED),
            Consent(
                channel=Channel.EMAIL, status=ConsentStatus.WITHDRAWN, address="old@example.org"
            ),
        ),
        **dict.fromkeys(
            (name for name, field in KEPT.items() if field.type is FieldType.TIME), GRANTED
        ),
        "source_type": SourceType.THIRD_PARTY,
        "legal_hold": False,
        "purchases": 2.5,
        "notes": "Likes tea.",
        "has_notes": True,
        "extra": {"shoe_size": 39, "vip": True, "nothing": None},
    }
    return Contact(**{**given, **values})  # type: ignore[arg-type] # values of a test


def save(mirror: Mirror, clock: Clock, *contacts: Contact, **page: object) -> object:
    """Save one page of a full read."""
    whole = Page(cursor=Cursor("c"), contacts=contacts, **page)  # type: ignore[arg-type] # same
    return mirror.save_page("crm", "fake", whole, now=clock(), full=True)


def test_what_is_read_comes_back_the_same(database: Database, clock: Clock) -> None:
    """Every field of a contact survives the way through either database."""
    mirror = Mirror(database)
    save(mirror, clock, contact(1))

    assert {RecordRef("crm", "1"): contact(1)} == mirror.contacts([RecordRef("crm", "1")])


def test_only_what_changed_is_written(database: Database, clock: Clock) -> None:
    """New, changed and unchanged contacts are told apart; the mirror's version moves with them."""
    mirror = Mirror(database)
    first = save(mirror, clock, contact(1), contact(2))
    version = mirror.version()
    same = save(mirror, clock, contact(1), contact(2))
    unmoved = mirror.version()
    moved = save(mirror, clock, contact(1), contact(2, company="Neu GmbH"))

    assert (first.new, first.changed) == (2, 0)
    assert (same.new, same.changed) == (0, 0)
    assert (moved.new, moved.changed) == (0, 1)
    assert version == unmoved
    assert version != mirror.version()


def test_comparable_values_are_made_at_pull(database: Database, clock: Clock) -> None:
    """A scan finds keys ready: e-mail, phone, names, country, binding consent."""
    save(Mirror(database), clock, contact(1))

    with open_relation(database) as con:
        row = con.execute(
            "SELECT email_key, phone_key, mobile_key, name_key, company_key, country_code, "
            "consent_email, created_at FROM contacts"
        ).fetchone()

    assert row == (
        "zoe.1@example.com",
        "+33199001234",
        "+33612345678",
        "dete ines",
        "ete fils",
        "FR",
        "withdrawn",
        datetime(2023, 1, 1),  # noqa: DTZ001 -- DuckDB's times are naive UTC
    )


def test_a_merged_record_points_to_its_survivor_and_can_come_back(
    database: Database, clock: Clock
) -> None:
    """Gone records leave the scan; one that is restored is live again."""
    mirror = Mirror(database)
    save(mirror, clock, contact(1), contact(2))
    gone = Gone(RecordRef("crm", "1"), RecordRef("crm", "2"))
    counts = save(mirror, clock, gone=[gone])
    after = mirror.live("crm")
    save(mirror, clock, contact(1))

    assert (counts.gone, counts.merged) == (1, 1)
    assert after == 1
    assert mirror.live("crm") == 2


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("A\0B", "first_name holds a NUL character"),
        ("x" * 10_001, "first_name is 10001 characters long"),
        ("x" * 10_000_000, "first_name is 10000000 characters long"),
        ("\ud800", "a field holds broken Unicode"),
    ],
)
def test_a_record_that_cannot_be_stored_is_quarantined(
    database: Database, clock: Clock, value: str, reason: str
) -> None:
    """One poisoned record is set aside with its reason; the others on its page are stored."""
    mirror = Mirror(database)
    counts = save(mirror, clock, contact(1, first_name=value), contact(2))

    with database.read() as connection:
        rows = connection.exec_driver_sql("SELECT id, reason, attempts FROM quarantine").all()
    assert rows == [("1", reason, 1)]
    assert (counts.poison, counts.new) == (1, 1)


@pytest.mark.parametrize(
    ("values", "shown", "reason"),
    [
        ({"ref": RecordRef("crm", "a\0b")}, "a\\x00b", "id holds a NUL character"),
        ({"ref": RecordRef("crm", "a\ud800")}, "a\\ud800", "id holds broken Unicode"),
        ({"ref": RecordRef("crm", "é" * 501)}, "é" * 500, "id is 501 characters long"),
        ({"revision": Revision("r\0")}, "1", "revision holds a NUL character"),
        ({"created_at": datetime(2026, 1, 1)}, "1", "created_at has no time zone"),  # noqa: DTZ001 -- what is tested
        ({"extra": {"when": datetime(2026, 1, 1, tzinfo=UTC)}}, "1", "extra holds no plain value"),
        ({"extra": {"share": float("nan")}}, "1", "extra holds no plain value"),
        ({"extra": {"text": "x" * 70_001}}, "1", "extra.text is 70001 characters long"),
        ({"notes": "x" * 70_001}, "1", "notes is 70001 characters long"),
        (
            {"consents": (replace(_AGREED, given_at=datetime(2026, 1, 1)),)},  # noqa: DTZ001 -- what is tested
            "1",
            "a consent's given_at has no time zone",
        ),
    ],
)
def test_what_a_careless_connector_brings_does_not_stop_the_pull(
    database: Database, clock: Clock, values: dict[str, object], shown: str, reason: str
) -> None:
    """Ids, revisions, times and custom fields of any plug-in: one bad record costs one record."""
    mirror = Mirror(database)
    counts = save(mirror, clock, contact(1, **values), contact(2))

    with database.read() as connection:
        rows = connection.exec_driver_sql("SELECT id, reason FROM quarantine").all()
    assert rows == [(shown, reason)]
    assert (counts.poison, counts.new) == (1, 1)


def test_poison_and_deletions_of_any_name_are_kept(database: Database, clock: Clock) -> None:
    """A name that no database takes is written down so that one does; nothing else is lost."""
    save(
        Mirror(database),
        clock,
        contact(1),
        poison=[Poison("line\0 3", "bad\ud800 cell")],
        gone=[Gone(RecordRef("crm", "\0"), RecordRef("crm", "\ud800"))],
    )

    with database.read() as connection:
        rows = connection.exec_driver_sql("SELECT id, reason FROM quarantine").all()
    assert rows == [("line\\x00 3", "bad\\ud800 cell")]


def test_a_record_leaves_quarantine_when_it_can_be_read(database: Database, clock: Clock) -> None:
    """Poison is counted each time, and forgotten once the record is sound."""
    mirror = Mirror(database)
    for _ in range(3):
        save(mirror, clock, poison=[Poison("1", "no name")])
    with database.read() as connection:
        attempts = connection.exec_driver_sql("SELECT attempts FROM quarantine").scalar()
    save(mirror, clock, contact(1))

    with database.read() as connection:
        left = connection.exec_driver_sql("SELECT count(*) FROM quarantine").scalar()
    assert (attempts, left) == (3, 0)


def test_absence_counts_only_after_two_full_reads(database: Database, clock: Clock) -> None:
    """A record that one full read did not bring is still there; after two it is gone."""
    mirror = Mirror(database)
    save(mirror, clock, contact(1), contact(2))
    live = []
    for _ in range(2):
        started = clock.forward(days=7)
        save(mirror, clock, contact(2))
        mirror.close_pass("crm", started_at=started, now=clock(), absences=2)
        live.append(mirror.live("crm"))

    assert live == [2, 1]


text = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(
    first=text,
    company=text,
    city=text,
    extra=st.dictionaries(st.text(max_size=5), st.integers() | st.booleans() | text),
)
def test_a_row_holds_the_contact_whatever_its_text(
    first: str | None, company: str | None, city: str | None, extra: dict[str, object]
) -> None:
    """Any text makes the way into a row and back, and the same contact has the same hash."""
    if any("\0" in key for key in extra):
        return
    given = contact(
        1, first_name=first, company=company, address=PostalAddress(city=city), extra=extra
    )
    columns, content = content_of(given)
    assert content_of(given)[1] == content
    assert columns["first_name"] == first
    assert columns["city"] == city


def test_free_text_may_be_as_long_as_crms_allow(database: Database, clock: Clock) -> None:
    """HubSpot's texts end at 65,536 characters: a long note does not cost the whole record."""
    long = contact(1, notes="é" * 65_536, extra={"a": "\n" * 65_536, "b": "x" * 65_536})
    mirror = Mirror(database)
    counts = save(mirror, clock, long)

    assert (counts.poison, counts.new) == (0, 1)  # type: ignore[attr-defined] # PageCounts
    assert mirror.contacts([long.ref]) == {long.ref: long}


def test_rules_see_what_the_contact_says(database: Database, clock: Clock) -> None:
    """For every field, the column that rules read holds what `Contact.value` returns."""
    bounced = Email("zoe@example.com", AddressStatus.BOUNCED)
    agreed = replace(_AGREED, basis="consent", given_at=GRANTED, how="form")
    held = contact(1, emails=(bounced,), consents=(agreed, replace(agreed, channel=Channel.PHONE)))
    save(Mirror(database), clock, held, Contact(ref=RecordRef("crm", "2")))
    names = ", ".join(f'"{name}"' for name in FIELDS)
    with closing(open_relation(database)) as con:
        rows = con.execute(f"SELECT {names} FROM contacts ORDER BY id").fetchall()

    for row, one in zip(rows, (held, Contact(ref=RecordRef("crm", "2"))), strict=True):
        seen = [v.replace(tzinfo=UTC).isoformat() if isinstance(v, datetime) else v for v in row]
        assert dict(zip(FIELDS, seen, strict=True)) == {name: one.value(name) for name in FIELDS}
