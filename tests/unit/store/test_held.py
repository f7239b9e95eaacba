"""What is read of records for planning is what the mirror holds of them."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace

import pytest
from tests.property.office import invented

from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import FIELDS, Clock, Contact, RecordRef
from crm_steward.store.columns import to_micros
from crm_steward.store.database import Database
from crm_steward.store.held import held
from crm_steward.store.mirror import Mirror


def _noted(contact: Contact) -> Contact:
    """Return a contact as the mirror keeps it: one that has a note has notes."""
    return replace(contact, has_notes=bool(contact.value("has_notes")))


def test_what_is_held_is_what_was_stored(database: Database, clock: Clock) -> None:
    """Each value, whichever is looked at first; and it equals the contact that was stored."""
    draw = random.Random(7)  # noqa: S311 -- invented contacts
    page = Page(contacts=[invented(draw, number) for number in range(60)], cursor=Cursor("1"))
    Mirror(database).save_page("crm", "fake", page, now=clock(), full=True)
    refs = [contact.ref for contact in page.contacts]
    names = [*FIELDS]
    for contact in page.contacts:
        draw.shuffle(names)
        again = held(database, refs)[contact.ref]
        assert {name: again.value(name) for name in names} == {
            name: contact.value(name) for name in names
        }
        assert again == _noted(contact)
        assert _noted(contact) == again
    found = held(database, refs)
    assert len({repr(contact) for contact in found.values()}) == len(refs)
    assert found[refs[0]] != page.contacts[1]
    assert found[refs[0]] != refs[0]


def test_a_contact_out_of_the_mirror_can_be_changed_and_copied(
    database: Database, clock: Clock
) -> None:
    """As any other: what was not looked at yet is there, too."""
    contact = invented(random.Random(3), 1)  # noqa: S311 -- an invented contact
    page = Page(contacts=[contact], cursor=Cursor("1"))
    Mirror(database).save_page("crm", "fake", page, now=clock(), full=True)
    again = held(database, [contact.ref])[contact.ref]
    assert replace(again, company="Other") == replace(_noted(contact), company="Other")
    assert pickle.loads(pickle.dumps(again)) == _noted(contact)  # noqa: S301 -- its own
    with pytest.raises(AttributeError, match="nonsense"):
        getattr(again, "nonsense")  # noqa: B009 -- mypy knows that there is none


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
    assert found[first] == _noted(contacts[0])
