"""The contract's part on credentials, quotas, and what may be seen of either."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from crm_steward.sdk import (
    AuthError,
    Calls,
    Capability,
    Change,
    Connector,
    Contact,
    Status,
    StewardError,
)
from crm_steward.testing.account import (
    Contract,
    Copy,
    Hurry,
    SandboxAccount,
    Trouble,
    Verb,
    a_task,
    statuses_of,
    updates_of,
)

_SHORT = 6
"""Shorter values are found in any text by chance."""


class AccessContract(Contract):
    """What connectors promise about credentials and quotas."""

    @pytest.mark.parametrize("trouble", list(Trouble))
    def test_no_trouble_shows_a_credential_or_a_person(
        self,
        account: SandboxAccount,
        trouble: Trouble,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """In any kind of call: only our own errors come out, and nothing that is seen names either."""
        connector = account.open(calls=_in_no_time(Hurry()))
        ids = sorted(account.ids())[:3]
        changes: list[Change] = [*updates_of(connector, ids), a_task(connector, account)]
        people = list(connector.get([change.ref for change in changes]).values())
        seen, met = "", 0
        for verb in (Verb.READ, Verb.GET, Verb.UPDATE, Verb.TASK):
            with suppress(pytest.skip.Exception):
                account.trouble(trouble, verb)
                met += 1
        if not met:
            pytest.skip(f"{account.spec.title}'s sandbox cannot do this: {trouble}")
        asks: tuple[Callable[[], object], ...] = (
            lambda: Copy().follow(connector.read(None)),
            lambda: connector.get([change.ref for change in changes]),
            lambda: [outcome.reason for outcome in connector.apply(changes[:3])],
            lambda: [outcome.reason for outcome in connector.apply(changes[3:])],
        )
        with caplog.at_level(logging.INFO):
            for ask in asks:
                try:
                    answer = ask()
                    seen += str(answer) if isinstance(answer, list) else ""
                except StewardError as error:
                    seen += "".join(traceback.format_exception(error)) + repr(vars(error))
        seen += caplog.text + "".join(capfd.readouterr())
        assert [secret for secret in account.secrets if secret in seen] == []
        assert [value for value in _personal(people) if value in seen] == []

    def test_a_token_that_expires_on_the_way_is_renewed(self, account: SandboxAccount) -> None:
        """It expires before each page and before each write; everything is read and written."""
        connector = account.open()
        copy = Copy()
        for page in connector.read(None):
            copy.take(page)
            account.expire()
        assert set(copy.contacts) == account.ids()
        changes = updates_of(connector, sorted(account.ids())[:3])
        account.expire()
        assert statuses_of(connector.apply(changes)) == {Status.VERIFIED}
        task = a_task(connector, account)
        account.expire()
        assert statuses_of(connector.apply([task])) == {Status.VERIFIED}
        assert len(account.tasks(task.ref.id)) == 1

    def test_a_withdrawn_credential_is_a_matter_for_a_person(self, account: SandboxAccount) -> None:
        """Every verb raises an AuthError that says what to do, after a call or two."""
        connector = account.open()
        changes = updates_of(connector, sorted(account.ids())[:2])
        account.revoke()
        before = sum(account.requests(verb) for verb in Verb)
        for ask in (
            lambda: list(connector.read(None)),
            lambda: connector.get([change.ref for change in changes]),
            lambda: list(connector.apply(changes)),
            lambda: list(account.open().read(None)),
        ):
            with pytest.raises(AuthError) as caught:
                ask()
            assert caught.value.hint
        assert sum(account.requests(verb) for verb in Verb) - before <= 3 * 4

    def test_the_allowed_rate_is_used_and_kept(self, account: SandboxAccount) -> None:
        """Over a hundred windows' worth of calls: at least 95 % of the rate, and nothing refused.

        No time really passes: the CRM and the pacing share a clock that waiting moves.
        """
        hurry = Hurry()
        short = [quota for quota in account.spec.quotas if not quota.daily]
        with account.limited(hurry.now) as limited:
            calls = _calls(limited, hurry)
            connector = limited.open(calls=calls, clock=hurry.now)
            while hurry.seconds < 10 * max(quota.per.total_seconds() for quota in short):
                Copy().follow(connector.read(None))
        made = sum(stats.calls for stats in calls.stats.values())
        refused = sum(stats.refused for stats in calls.stats.values())
        assert refused <= made / 1000
        assert _used(calls, account, hurry) >= 0.95

    def test_asked_to_wait_it_waits_as_long(self, account: SandboxAccount) -> None:
        """Whatever the vendor asks for passes before the next call; then the read goes on."""
        hurry = Hurry()
        connector = account.open(calls=_in_no_time(hurry))
        account.trouble(Trouble.WAIT, Verb.READ, nth=2)
        copy = Copy().follow(connector.read(None))
        assert set(copy.contacts) == account.ids()
        assert 7 <= sum(hurry.slept) <= 9

    def test_check_brings_the_schema(self, connector: Connector) -> None:
        """Fields come under the CRM's own names, each with what people call it."""
        fields = connector.check().fields
        assert fields
        assert all(field.name == name and field.label for name, field in fields.items())

    def test_reading_writes_nothing(self, account: SandboxAccount, connector: Connector) -> None:
        """A connector that is only read with never makes a call that writes."""
        connector.check()
        Copy().follow(connector.read(None))
        writes = {
            Verb.UPDATE: Capability.UPDATE,
            Verb.TASK: Capability.TASK,
            Verb.SUPPRESS: Capability.SUPPRESS_EMAIL,
            Verb.MERGE: Capability.MERGE,
            Verb.ARCHIVE: Capability.ARCHIVE,
        }
        made = {v: account.requests(v) for v, can in writes.items() if can in account.spec.can}
        assert set(made.values()) <= {0}


def _calls(account: SandboxAccount, hurry: Hurry) -> Calls:
    return Calls(
        "x",
        account.spec.quotas,
        burst_share=1.0,
        daily_share=1.0,
        stop=hurry,
        monotonic=hurry.monotonic,
    )


def _in_no_time(hurry: Hurry) -> Calls:
    return Calls("x", stop=hurry, monotonic=hurry.monotonic)


def _used(calls: Calls, account: SandboxAccount, hurry: Hurry) -> float:
    """Return the share of the allowed rate that was used on the busiest quota."""
    passed = timedelta(seconds=hurry.seconds)
    shares = [
        calls.stats[quota.name].calls / (quota.calls * (passed / quota.per))
        for quota in account.spec.quotas
        if not quota.daily and quota.name in calls.stats
    ]
    return max(shares)


def _personal(people: list[Contact]) -> set[str]:
    held = {value for one in people for value in (one.first_name, one.last_name, one.company)}
    held |= {email.address for one in people for email in one.emails}
    held |= {phone.number for one in people for phone in one.phones}
    return {value for value in held if value and len(value) >= _SHORT}
