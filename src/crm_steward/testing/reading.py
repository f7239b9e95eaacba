"""The contract's reading half: check, read, get."""

from __future__ import annotations

import pytest

from crm_steward.connect.identity import account_of
from crm_steward.sdk import (
    Capability,
    Connector,
    Cursor,
    RecordRef,
    Status,
    UpdateFields,
)
from crm_steward.testing.account import (
    Contract,
    Copy,
    SandboxAccount,
    Trouble,
    Verb,
    has,
    needs,
    refs_of,
)

HOSTILE = (
    '=HYPERLINK("http://example.com")',
    "<script>alert(1)</script>",
    "'; DROP TABLE contacts; --",
    "{{ 7 * 7 }} ${7*7} %s %(x)s",
    "\u202e\u0627\u0644\u0639\u0631\u0628\u064a\u0629\u202c",
    "Zoe\u0308 \U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "line\r\nbreak\ttab",
    "x" * 20_000,
)  # fmt: skip
"""Values a CRM may hold in any text field."""


class ReadingContract(Contract):
    """What `check`, `read` and `get` promise."""

    def test_check_knows_the_account_and_misses_nothing(self, connector: Connector) -> None:
        """With every scope granted, `check` names the account and finds nothing missing."""
        account = connector.check()
        assert account.id
        assert account.missing == ()

    def test_it_tells_whose_account_it_opened(self, connector: Connector) -> None:
        """Asked alone it is the same account, so that a credential of another one is noticed."""
        assert account_of(connector) == connector.check().id

    def test_it_is_a_connector(self, connector: Connector) -> None:
        """All five verbs and `close` are there; `close` may be called twice."""
        assert isinstance(connector, Connector)
        connector.close()
        connector.close()

    def test_a_full_read_brings_every_contact_once(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """What comes is exactly what is there, without doubles and without poison."""
        pages = list(connector.read(None))
        brought = [contact.ref.id for page in pages for contact in page.contacts]
        assert sorted(brought) == sorted(account.ids())
        assert Copy().follow(pages).poison == []

    def test_contacts_are_sound(self, connector: Connector) -> None:
        """Each has a ref of this connection, a revision, aware times and no empty text."""
        copy = Copy().follow(connector.read(None))
        assert copy.contacts
        for contact in copy.contacts.values():
            assert contact.revision
            times = (contact.created_at, contact.updated_at, contact.last_person_act)
            assert all(time is None or time.tzinfo is not None for time in times)
            assert "" not in {contact.first_name, contact.last_name, contact.company}

    def test_a_full_read_goes_on_after_a_crash_at_any_page(self, account: SandboxAccount) -> None:
        """Kill the reader after each page in turn: a new one, from the stored cursor, ends right."""
        whole = Copy().follow(account.open().read(None))
        for stop in range(len(whole.cursors) - 1):
            copy = _crash_after(account, None, stop)
            assert set(copy.contacts) == account.ids(), f"crash after page {stop + 1}"

    def test_changes_are_brought_and_little_else(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Edited, new, deleted and merged contacts come with the next read; the others do not.

        Where people cannot merge, a second one is deleted instead.
        """
        copy = Copy().follow(connector.read(None))
        needs(account, Capability.INCREMENTAL)
        edited, deleted, survivor, loser, *_ = sorted(copy.contacts)
        account.edit(edited, "last_name", "Changed")
        added = account.add("Added")
        account.delete(deleted)
        merged = _merged_or_deleted(account, survivor, loser)
        update = Copy().follow(connector.read(copy.cursors[-1]))
        assert {edited, added, *([merged] if merged else [])} <= set(update.contacts)
        assert update.contacts[edited].last_name == "Changed"
        assert update.gone[deleted] is None
        assert update.gone[loser] in ({merged} if account.follows_merges else {merged, None})
        assert len(update.contacts) < len(copy.contacts) / 2

    def test_a_read_of_changes_goes_on_after_a_crash_at_any_page(
        self, account: SandboxAccount
    ) -> None:
        """The same for changes, with enough of them for several pages."""
        needs(account, Capability.INCREMENTAL)
        start = Copy().follow(account.open().read(None)).cursors[-1]
        account.stamp_all()
        whole = Copy().follow(account.open().read(start))
        assert set(whole.contacts) == account.ids()
        assert len(whole.cursors) > 2
        for stop in range(len(whole.cursors) - 1):
            copy = _crash_after(account, start, stop)
            assert set(copy.contacts) == account.ids(), f"crash after page {stop + 1}"

    def test_contacts_of_one_and_the_same_instant(self, account: SandboxAccount) -> None:
        """After a bulk import gave all contacts one timestamp, all are read, and the read ends."""
        needs(account, Capability.INCREMENTAL)
        start = Copy().follow(account.open().read(None)).cursors[-1]
        account.stamp_all()
        before = account.requests(Verb.READ)
        copy = Copy().follow(account.open().read(start))
        assert set(copy.contacts) == account.ids()
        assert account.requests(Verb.READ) - before <= len(account.ids()) / 50 + 5

    @pytest.mark.parametrize("kind", ["full read", "read of changes"])
    def test_nothing_is_missed_while_people_work(self, account: SandboxAccount, kind: str) -> None:
        """A person edits, creates, deletes and merges after each page; two reads later all is known."""
        copy = Copy().follow(account.open().read(None))
        changes_only = kind == "read of changes"
        if changes_only:
            needs(account, Capability.INCREMENTAL)
            account.stamp_all()
        since = copy.cursors[-1] if changes_only else None
        for number, page in enumerate(account.open().read(since)):
            copy.take(page)
            _work(account, number)
        if Capability.INCREMENTAL in account.spec.can:
            for _ in range(2):
                copy.follow(account.open().read(copy.cursors[-1]))
        else:  # what is gone shows in the next full read, which replaces what was known
            copy = Copy().follow(account.open().read(None))
        assert set(copy.contacts) == account.ids()
        fresh = account.open().get([contact.ref for contact in copy.contacts.values()])
        stale = [ref.id for ref in fresh if fresh[ref].last_name != copy.contacts[ref.id].last_name]
        assert stale == []

    def test_hostile_values_come_through(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Formulas, markup, right-to-left, emoji, line breaks and long text arrive as they are."""
        ids = sorted(account.ids())[: len(HOSTILE)]
        for record_id, value in zip(ids, HOSTILE, strict=True):
            account.edit(record_id, "last_name", value)
        copy = Copy().follow(connector.read(None))
        assert [copy.contacts[record_id].last_name for record_id in ids] == list(HOSTILE)

    @pytest.mark.parametrize(
        "trouble",
        [
            Trouble.LOST_BEFORE,
            Trouble.LOST_AFTER,
            Trouble.HALF,
            Trouble.UNAVAILABLE,
            Trouble.REFUSED,
            Trouble.GARBLED,
        ],
    )
    def test_a_read_survives_trouble(self, account: SandboxAccount, trouble: Trouble) -> None:
        """The call is made again, and once; nothing is missing."""
        Copy().follow(account.open().read(None))
        calm = account.requests(Verb.READ)
        account.trouble(trouble, Verb.READ, nth=2)
        copy = Copy().follow(account.open().read(None))
        assert set(copy.contacts) == account.ids()
        assert account.requests(Verb.READ) == 2 * calm + 1

    def test_what_the_account_keeps_in_its_own_fields_is_read_from_there(
        self, account: SandboxAccount
    ) -> None:
        """Mapped by `fields`, a field of an admin's making is asked for, by read and by get.

        One text stands for a flag, a number and a note, so that any CRM can hold it.
        """
        needs(account, Capability.UPDATE)
        if not account.custom_field:
            pytest.skip(f"{account.spec.title} has no fields of an admin's making")
        mapped = dict.fromkeys(("notes", "purchases", "legal_hold"), account.custom_field)
        connector = account.open(fields=mapped, extra={"own": account.custom_field})
        (ref,) = refs_of(connector, sorted(account.ids())[:1])
        before = connector.get([ref])[ref].value("extra.own")
        change = UpdateFields(ref=ref, values={"extra.own": "12"}, expected={"extra.own": before})
        assert [outcome.status for outcome in connector.apply([change])] == [Status.VERIFIED]
        wanted = {"notes": "12", "purchases": 12, "legal_hold": True, "has_notes": True}
        for found in (
            connector.get([ref])[ref],
            Copy().follow(account.open(fields=mapped).read(None)).contacts[ref.id],
        ):
            assert {name: found.value(name) for name in wanted} == wanted

    def test_get_brings_what_was_just_changed(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """By id and at once, more than one batch of them."""
        ids = sorted(account.ids())[:120]
        account.edit(ids[0], "last_name", "Just now")
        refs = refs_of(connector, ids)
        fresh = connector.get(refs)
        assert set(fresh) == set(refs)
        assert fresh[refs[0]].last_name == "Just now"

    def test_get_leaves_out_what_is_gone(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """A deleted contact and one that never was are left out; the others come."""
        deleted, kept, *_ = sorted(account.ids())
        refs = refs_of(connector, [deleted, kept])
        account.delete(deleted)
        never = RecordRef(refs[0].connection, "999999999999")
        assert set(connector.get([*refs, never])) == {refs[1]}

    def test_get_brings_the_survivor(self, account: SandboxAccount, connector: Connector) -> None:
        """Asked for a contact that was merged away, it brings the survivor under its own ref."""
        if not account.follows_merges:
            pytest.skip(f"{account.spec.title} does not tell where a merged contact went")
        survivor, loser, *_ = sorted(account.ids())
        refs = refs_of(connector, [survivor, loser])
        merged = account.merge(survivor, loser)
        assert {ref.id for ref in connector.get([refs[1]])} == {merged}


def _crash_after(account: SandboxAccount, since: Cursor | None, stop: int) -> Copy:
    """Read up to page `stop`, forget the reader, and let a new one go on."""
    copy = Copy()
    reader = account.open()
    for number, page in enumerate(reader.read(since)):
        copy.take(page)
        if number == stop:
            break
    reader.close()
    return copy.follow(account.open().read(copy.cursors[-1]))


def _work(account: SandboxAccount, number: int) -> None:
    """Do what people do during the day, somewhere else each time and at the end of the list."""
    ids = sorted(account.ids(), key=lambda record_id: (len(record_id), record_id))
    spread = (ids[(number * 53 + step * 71) % len(ids)] for step in range(5))
    edited, deleted, survivor, loser, late = list(dict.fromkeys([*spread, *ids[-5:]]))[:5]
    account.edit(edited, "last_name", f"Edited {number}")
    account.edit(late, "last_name", f"Late {number}")
    account.add(f"Added {number}")
    account.delete(deleted)
    _merged_or_deleted(account, survivor, loser)


def _merged_or_deleted(account: SandboxAccount, survivor: str, loser: str) -> str | None:
    """Fold one contact into another, and return where it lives on; delete it where nobody can."""
    if has(account, "merge"):
        return account.merge(survivor, loser)
    account.delete(loser)
    return None
