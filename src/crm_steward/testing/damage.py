"""The contract's part on what a CRM may do to a reader: broken answers, records and clocks."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest

from crm_steward.sdk import (
    Capability,
    ConfigError,
    Connector,
    Status,
    StewardError,
    UpdateFields,
    utc_now,
)
from crm_steward.testing.account import (
    Contract,
    Copy,
    SandboxAccount,
    Trouble,
    Verb,
    needs,
    refs_of,
)

_HUGE = 40_000_000


class DamageContract(Contract):
    """What `read` promises when the other side is not well."""

    def test_a_record_nobody_can_read_is_set_aside(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Two spoilt records are named as poison; all the others come."""
        spoilt = set(sorted(account.ids())[3:5])
        for record_id in spoilt:
            account.spoil(record_id)
        copy = Copy().follow(connector.read(None))
        assert set(copy.poison) == spoilt
        assert set(copy.contacts) == account.ids() - spoilt
        assert set(connector.get(refs_of(connector, sorted(account.ids())[2:6]))) == set(
            refs_of(connector, sorted(account.ids() - spoilt)[2:4])
        )

    def test_a_huge_value_stops_nobody(self, account: SandboxAccount, connector: Connector) -> None:
        """A name of 40 MB: the record comes or is set aside, the others come."""
        huge = min(account.ids())
        account.edit(huge, "last_name", "x" * _HUGE)
        copy = Copy().follow(connector.read(None))
        assert set(copy.contacts) >= account.ids() - {huge}
        assert len(copy.contacts) + len(copy.poison) == len(account.ids())

    @pytest.mark.parametrize("trouble", [Trouble.HTML, Trouble.ERROR_BODY])
    def test_a_success_that_is_none_loses_nothing(
        self, account: SandboxAccount, trouble: Trouble
    ) -> None:
        """The call is made again, or the read ends with our error and goes on later."""
        account.trouble(trouble, Verb.READ, nth=2)
        copy = Copy()
        with suppress(StewardError):
            for page in account.open().read(None):
                copy.take(page)
        copy.follow(account.open().read(copy.cursors[-1] if copy.cursors else None))
        assert set(copy.contacts) == account.ids()

    def test_a_deleted_contact_that_is_brought_back_comes_back(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Deleted and seen to be gone, restored by a person: the next full read has it."""
        copy = Copy().follow(connector.read(None))
        needs(account, Capability.INCREMENTAL)
        deleted = min(copy.contacts)
        account.delete(deleted)
        copy.follow(connector.read(copy.cursors[-1]))
        assert deleted not in copy.contacts
        account.restore(deleted)
        copy.follow(connector.read(None))
        assert set(copy.contacts) == account.ids()

    @pytest.mark.parametrize("skew", [-600, 600])
    def test_a_clock_ten_minutes_off_hides_nothing(
        self, account: SandboxAccount, skew: float
    ) -> None:
        """The CRM's clock is ahead or behind: what changes is seen by the time ours is there."""
        needs(account, Capability.INCREMENTAL)
        account.shift(skew)
        copy = Copy().follow(account.open().read(None))
        edited = max(copy.contacts)
        account.edit(edited, "last_name", "Changed")
        added = account.add("Added")
        copy.follow(account.open().read(copy.cursors[-1]))
        later = account.open(clock=lambda: utc_now() + timedelta(minutes=11))
        copy.follow(later.read(copy.cursors[-1]))
        assert copy.contacts[edited].last_name == "Changed"
        assert added in copy.contacts

    def test_what_becomes_visible_late_is_not_missed(self, account: SandboxAccount) -> None:
        """A change that shows minutes after its own date comes with the read after that."""
        needs(account, Capability.INCREMENTAL)
        copy = Copy().follow(account.open().read(None))
        edited = max(copy.contacts)
        account.hide(240)
        account.edit(edited, "last_name", "Changed late")
        copy.follow(account.open().read(copy.cursors[-1]))
        account.shift(300)
        later = account.open(clock=lambda: utc_now() + timedelta(seconds=300))
        copy.follow(later.read(copy.cursors[-1]))
        assert copy.contacts[edited].last_name == "Changed late"

    def test_a_mapped_field_that_vanishes_is_named(self, account: SandboxAccount) -> None:
        """It is not read as empty, which would turn every contact into a finding."""
        name = _custom_field(account)
        mapped = account.open(extra={"custom": name})
        assert set(Copy().follow(mapped.read(None)).contacts) == account.ids()
        account.drop_field(name)
        with pytest.raises(ConfigError, match=r"extra\.custom"):
            list(account.open(extra={"custom": name}).read(None))
        assert set(Copy().follow(account.open().read(None)).contacts) == account.ids()

    def test_settings_say_where_a_field_is_kept(self, account: SandboxAccount) -> None:
        """`fields` moves a field of ours to a custom one, for reading and for writing."""
        name = _custom_field(account)
        moved = account.open(fields={"job_title": name})
        ref = refs_of(moved, sorted(account.ids())[:1])[0]
        before = moved.get([ref])[ref].job_title
        change = UpdateFields(
            ref=ref, values={"job_title": "Beekeeper"}, expected={"job_title": before}
        )
        assert [outcome.status for outcome in moved.apply([change])] == [Status.VERIFIED]
        assert moved.get([ref])[ref].job_title == "Beekeeper"
        plain = account.open(extra={"custom": name})
        assert plain.get([ref])[ref].extra["custom"] == "Beekeeper"
        assert plain.get([ref])[ref].job_title != "Beekeeper"

    def test_a_field_that_never_was_is_named_with_a_guess(self, account: SandboxAccount) -> None:
        """A slip in the settings is found by `check` and by `read`, not read as empty."""
        name = _custom_field(account)
        connector = account.open(extra={"custom": name[:-1] + "x"})
        assert any("extra.custom" in line for line in connector.check().missing)
        with pytest.raises(ConfigError, match=r"extra\.custom"):
            list(connector.read(None))


def _custom_field(account: SandboxAccount) -> str:
    if not account.custom_field:
        pytest.skip(f"{account.spec.title}'s sandbox has no custom field")
    return account.custom_field
