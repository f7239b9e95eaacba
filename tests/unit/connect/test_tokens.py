"""Access tokens: renewed once, in time, kept before use, and never with a refresh token twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from crm_steward.connect.tokens import (
    MemoryVault,
    Token,
    TokenRefusedError,
    Tokens,
    fixed_token,
)
from crm_steward.model import AuthError, StoreError


class Vendor:
    """Issues tokens of half an hour, and rotates its refresh tokens: used twice, they are void."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, tzinfo=UTC)
        self.issued = 0
        self.in_force = "seed"
        self._lock = threading.Lock()

    def clock(self) -> datetime:
        return self.now

    def issue(self, refresh: str) -> Token:
        with self._lock:
            if (refresh or "seed") != self.in_force:
                raise AuthError("invalid_grant", hint="Authorise again.")
            self.issued += 1
            self.in_force = f"refresh-{self.issued}"
            expires = self.now + timedelta(minutes=30)
            return Token(f"access-{self.issued}", expires, refresh=self.in_force)


@pytest.fixture
def vendor() -> Vendor:
    """Give a vendor."""
    return Vendor()


@pytest.fixture
def opened(vendor: Vendor) -> Callable[..., Tokens]:
    """Give connections that share a vault, as processes on one database do."""
    vault = MemoryVault()

    def make(seed: str = "client seed") -> Tokens:
        return Tokens("crm", seed, vendor.issue, vault, vendor.clock)

    return make


def test_a_token_is_renewed_before_it_expires(
    vendor: Vendor, opened: Callable[..., Tokens]
) -> None:
    """At four fifths of its life, by the clock, not by a refusal."""
    tokens = opened()
    assert tokens.current().access == "access-1"
    vendor.now += timedelta(minutes=23)
    assert tokens.current().access == "access-1"
    vendor.now += timedelta(minutes=1)
    assert tokens.current().access == "access-2"


def test_a_token_of_a_clock_that_was_set_back_is_renewed(
    vendor: Vendor, opened: Callable[..., Tokens]
) -> None:
    """Whether it still holds is not known: it is renewed once, and not before each call."""
    vendor.now += timedelta(days=2000)
    assert opened().current().access == "access-1"
    vendor.now -= timedelta(days=2000)
    assert [opened().current().access for _ in range(3)] == ["access-2"] * 3


def test_a_stored_token_serves_the_next_process(
    vendor: Vendor, opened: Callable[..., Tokens]
) -> None:
    """A restart asks for nothing; the rotated refresh token is the one that is used next."""
    opened().current()
    assert opened().current().access == "access-1"
    vendor.now += timedelta(hours=1)
    assert opened().current().access == "access-2"
    assert vendor.issued == 2


def test_another_credential_starts_anew(vendor: Vendor, opened: Callable[..., Tokens]) -> None:
    """A token of the former credential is not used for a new one."""
    opened().current()
    vendor.in_force = "seed"
    assert opened("client other").current().access == "access-2"


def test_many_threads_renew_once(vendor: Vendor, opened: Callable[..., Tokens]) -> None:
    """Sixteen callers on four connections at each of fifty expiries: fifty tokens, no refusal."""
    sources = [opened() for _ in range(4)]
    with ThreadPoolExecutor(16) as pool:
        for number in range(1, 51):
            got = list(pool.map(lambda n: sources[n % 4].current().access, range(16)))
            assert set(got) == {f"access-{number}"}
            vendor.now += timedelta(minutes=30)
    assert vendor.issued == 50


def test_a_refused_token_is_renewed_once_for_all(
    vendor: Vendor, opened: Callable[..., Tokens]
) -> None:
    """Two connections meet the same refusal: the second takes over what the first was given."""
    one, other = opened(), opened()
    refused = one.current()
    assert other.current() == refused
    assert one.renew(refused).access == "access-2"
    assert other.renew(refused).access == "access-2"
    assert vendor.issued == 2


def test_a_call_is_made_again_with_a_new_token_and_no_third_time(
    opened: Callable[..., Tokens],
) -> None:
    """A refusal took no effect, so that the call may be repeated; a second one is final."""
    seen: list[str] = []

    def once(token: Token) -> str:
        seen.append(token.access)
        if len(seen) == 1:
            raise TokenRefusedError("expired")
        return "answer"

    def never(token: Token) -> str:
        seen.append(token.access)
        raise TokenRefusedError("expired")

    tokens = opened()
    assert tokens.using(once) == "answer"
    assert seen == ["access-1", "access-2"]
    with pytest.raises(TokenRefusedError):
        tokens.using(never)
    assert seen[2:] == ["access-2", "access-3"]


def test_a_withdrawn_refresh_token_is_a_matter_for_a_person(
    vendor: Vendor, opened: Callable[..., Tokens]
) -> None:
    """The vendor's refusal to issue comes through, with its remedy."""
    vendor.in_force = "somebody else's"
    with pytest.raises(AuthError) as caught:
        opened().using(lambda token: token.access)
    assert caught.value.hint


def test_a_token_that_cannot_be_kept_is_not_used(vendor: Vendor) -> None:
    """Used first and lost afterwards, a rotated refresh token would close the connection."""

    class Full(MemoryVault):
        def save(self, name: str, token: Token) -> None:
            del name, token
            raise StoreError("Disk full.")

    tokens = Tokens("crm", "s", vendor.issue, Full(), vendor.clock)
    with pytest.raises(StoreError):
        tokens.using(lambda token: pytest.fail(f"used: {token}"))


def test_a_static_token_is_not_renewed() -> None:
    """Its refusal is final at once."""
    tokens = fixed_token("pat-invented", url="https://api.example.com")
    assert tokens.current().url == "https://api.example.com"

    def refused(_token: Token) -> None:
        raise TokenRefusedError("refused")

    with pytest.raises(TokenRefusedError):
        tokens.using(refused)


def test_a_token_does_not_show_itself() -> None:
    """Neither `repr` nor a message made of one holds a secret."""
    shown = repr(Token("access-secret", refresh="refresh-secret", url="https://eu.example.com"))
    assert "secret" not in shown
    assert "https://eu.example.com" in shown
