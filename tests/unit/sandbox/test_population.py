"""The generated population: repeatable, messy in known ways, and honest about who is who."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import phonenumbers
import pytest

from crm_steward.sandbox import Sighting, population

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def people() -> list[Sighting]:
    """Return a population large enough for shares to be meaningful."""
    return population(8_000, 7, NOW, slice="hubspot")


def test_the_same_seed_makes_the_same_people() -> None:
    """Two runs agree in every field; another seed does not."""
    first, again = (population(300, 7, NOW, slice="a") for _ in range(2))
    assert [asdict(s) for s in first] == [asdict(s) for s in again]
    assert [s.person for s in population(300, 8, NOW, slice="a")] != [s.person for s in first]


def test_two_systems_share_people_but_not_their_mess() -> None:
    """A small slice's shared people are all known to a larger one, written differently."""
    crm = {s.person: s for s in population(2_000, 7, NOW, slice="hubspot")}
    file = {s.person: s for s in population(500, 7, NOW, slice="file")}
    both = crm.keys() & file.keys()
    assert 90 < len(both) < 220
    assert any(crm[p].phone != file[p].phone for p in both)
    emails = [(crm[p].email, file[p].email) for p in both if crm[p].email and file[p].email]
    assert sum(a == b for a, b in emails) > len(emails) / 2
    alone = {s.person for s in population(500, 7, NOW, slice="file", shared=0)}
    assert not alone & crm.keys()


def test_every_kind_of_mess_is_there(people: list[Sighting]) -> None:
    """Each trait occurs, and most records have none that touches the name."""
    traits = Counter(trait for s in people for trait in s.traits)
    wanted = {
        "caps", "lower", "last-caps", "no-accents", "padded", "mailbox", "switchboard",
        "bad-email", "bad-phone", "no-email", "hostile", "family", "same-email", "nickname",
        "typo", "new-job", "swapped", "no-first-name", "no-last-name", "no-address",
    }  # fmt: skip
    assert wanted <= traits.keys()
    assert traits["caps"] < len(people) / 10


def test_duplicates_are_one_person_and_families_are_not(people: list[Sighting]) -> None:
    """The truth joins a person's records and keeps relatives apart."""
    records = defaultdict(list)
    for sighting in people:
        records[sighting.person].append(sighting)
    assert 0.08 < sum(len(r) - 1 for r in records.values()) / len(people) < 0.16
    relatives = [s for s in people if "family" in s.traits]
    assert relatives
    assert all(s.person.endswith("r") and not s.withdrew for s in relatives)


def test_who_withdrew_is_known_even_where_a_record_says_yes(people: list[Sighting]) -> None:
    """Some second records still say yes for a person who said no: the trap of merging."""
    traps = [s for s in people if s.withdrew and s.consent.status == "granted"]
    assert traps
    statuses = Counter(s.consent.status for s in people)
    assert statuses.keys() == {"granted", "withdrawn", "none", "unknown"}
    granted = [s.consent for s in people if s.consent.status == "granted"]
    assert any(c.evidence and c.given_at for c in granted)
    assert any(not c.evidence for c in granted)


def test_dates_make_sense(people: list[Sighting]) -> None:
    """Nothing lies in the future or before the record; activity is up to 60 months old."""
    for s in people:
        assert s.created_at <= s.updated_at <= NOW
        if s.last_person_act and s.last_activity:
            assert s.last_person_act <= s.last_activity <= NOW
    acts = [s.last_person_act for s in people if s.last_person_act]
    assert min(acts) < NOW - timedelta(days=30 * 48)
    assert any(s.last_person_act is None for s in people)


def test_no_address_or_number_can_belong_to_anybody(people: list[Sighting]) -> None:
    """Mail domains are kept for examples; numbers come from ranges kept for fiction."""
    kept = (".example", "example.com", "example.org", "example.net")
    for s in people:
        for email in filter(None, (s.email, s.other_email)):
            domain = email.strip().strip("<>.").replace(" ", "").replace(",", ".").lower()
            assert domain.endswith(kept), email
    fiction = {
        "FR": ("19900", "26191", "35301", "46571", "53649", "63998"),
        "DE": ("3023125", "4066969", "6990009", "8999998", "2214710", "17139200"),
        "GB": ("2079460", "4960", "7700900"),
        "US": ("55501",),
    }
    checked = 0
    for s in people:
        if s.phone is None or s.country_code not in fiction or "bad-phone" in s.traits:
            continue
        number = str(phonenumbers.parse(s.phone, s.country_code).national_number)
        assert any(part in number for part in fiction[s.country_code]), s.phone
        checked += 1
    assert checked > 3_000
