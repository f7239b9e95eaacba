"""What is read of records for planning is what the mirror holds of them."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from tests.property.office import NOW, invented

from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import FIELDS, Clock, RecordRef
from crm_steward.store.columns import to_micros
from crm_steward.store.database import Database
from crm_steward.store.held import held
from crm_steward.store.mirror import Mirror
from crm_steward.store.rows import is_slim


@given(draw=st.randoms(use_true_random=False))
def test_a_slim_contact_tells_what_the_whole_one_does(draw: random.Random) -> None:
    """Each field that it is said to tell, so that a task reads the same."""
    contact = invented(draw, 1)
    with Database.open("sqlite://") as database:
        Mirror(database).save_page(
            "crm",
            "fake",
            Page(contacts=(contact,), cursor=Cursor("1")),
            now=NOW,
            full=True,
        )
        whole = held(database, [contact.ref])[contact.ref]
        slim = held(database, [contact.ref], slim=True)[contact.ref]
    told = [name for name in FIELDS if is_slim(name)]
    assert {"full_name", "first_name", "email", "phone", "company", "country"} <= set(told)
    assert [slim.value(name) for name in told] == [whole.value(name) for name in told]
    assert (slim.ref, slim.url, slim.emails) == (whole.ref, whole.url, whole.emails)


def test_of_those_that_are_only_named_it_is_known_that_they_are_there(
    database: Database, clock: Clock
) -> None:
    """And since when they did not change; one that was never seen is not there."""
    draw = random.Random(1)  # noqa: S311 -- invented contacts
    contacts = [invented(draw, number) for number in range(3)]
    at = clock()
    page = Page(contacts=tuple(contacts), cursor=Cursor("1"))
    Mirror(database).save_page("crm", "fake", page, now=at, full=True)
    first, second, third = (contact.ref for contact in contacts)
    missing = RecordRef("crm", "nobody")
    found = held(database, [first], [second, third, missing])
    assert set(found) == {first, second, third}
    assert missing not in found
    assert found.changed == dict.fromkeys((first, second, third), to_micros(at))
    assert found[first] == contacts[0]
    assert set(found.rows) == {first}
