"""The access token of a connection: renewed by the clock, by one caller at a time, kept before use.

A refresh token that the vendor rotates is worth the whole connection: used twice, it closes the
family. So one caller at a time renews, in all threads and processes that share a vault, and the new
token is stored before anybody uses it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from crm_steward.model import AuthError, Clock

T = TypeVar("T")

LIFE = 0.8
"""The share of a token's life after which it is renewed, before the vendor refuses it."""
_APART = timedelta(minutes=1)
"""How far the clocks of two machines that share tokens may be apart."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, and what is needed for the next one.

    Args:
        access: What opens the account.
        expires_at: When it stops doing so; None when the vendor does not say.
        refresh: The refresh token to use from now on; empty keeps the one in force.
        url: The address the vendor says to use with it (`api_domain`, `instance_url`), or empty.
        issued_at: When it was issued; set by `Tokens`.
    """

    access: str = field(repr=False)
    expires_at: datetime | None = None
    refresh: str = field(default="", repr=False)
    url: str = ""
    issued_at: datetime | None = None

    def fresh(self, now: datetime) -> bool:
        """Whether it may still be used: less than `LIFE` of its time is over.

        Of one that a clock which was set back since has stamped, that is not known.
        """
        if self.expires_at is None:
            return True
        issued = self.issued_at or now
        if issued - now > _APART:
            return False
        return now < issued + (self.expires_at - issued) * LIFE


class TokenRefusedError(AuthError):
    """The CRM refuses the access token: it has expired or was withdrawn."""


class Vault(Protocol):
    """Where tokens are kept between calls and processes."""

    def load(self, name: str) -> Token | None:
        """Return the token kept under `name`, or None."""
        ...

    def save(self, name: str, token: Token) -> None:
        """Keep `token` under `name`; when this returns, a crash does not lose it.

        Raises:
            StoreError: It cannot be kept.
        """
        ...

    def alone(self, name: str) -> AbstractContextManager[None]:
        """Let one caller at a time into the block, in all processes that share the vault."""
        ...


class MemoryVault:
    """A vault of one process, gone with it: for tests, and for tokens that are issued at will."""

    def __init__(self) -> None:
        self._kept: dict[str, Token] = {}
        self._lock = threading.RLock()

    def load(self, name: str) -> Token | None:
        """Return the token kept under `name`, or None."""
        return self._kept.get(name)

    def save(self, name: str, token: Token) -> None:
        """Keep `token` under `name`."""
        self._kept[name] = token

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:  # noqa: ARG002 -- one lock for all names will do
        """Let one thread at a time into the block."""
        with self._lock:
            yield


class TokenSource(Protocol):
    """Gives the access token of a connection."""

    def current(self) -> Token:
        """Return a token that may be used now."""
        ...

    def using(self, call: Callable[[Token], T]) -> T:
        """Make a call with a token that may be used now."""
        ...


class Tokens:
    """The token of one connection; safe to share between threads.

    Args:
        connection: Its name.
        seed: Names the configured credential; with another one, a stored token is not used.
        issue: Asks the vendor for a token. Given the rotated refresh token that is in force, or
            empty: then the configured one is. Raises AuthError when the vendor refuses for good.
        vault: Where the token is kept.
        clock: The time.
    """

    def __init__(
        self,
        connection: str,
        seed: str,
        issue: Callable[[str], Token],
        vault: Vault,
        clock: Clock,
    ) -> None:
        digest = hashlib.sha256(seed.encode()).hexdigest()[:16]
        self._name = f"{connection}/{digest}"
        self._issue = issue
        self._vault = vault
        self._clock = clock
        self._lock = threading.Lock()
        self._held: Token | None = None

    def current(self) -> Token:
        """Return a token that may be used now, renewed where its time is nearly over.

        Raises:
            AuthError: The vendor refuses to issue one.
            RetryableError: The vendor cannot be reached.
        """
        held = self._held
        if held is not None and held.fresh(self._clock()):
            return held
        return self._renewed(None)

    def renew(self, refused: Token) -> Token:
        """Return another token than `refused`; somebody else's renewal is taken over.

        Raises:
            AuthError: The vendor refuses to issue one.
            RetryableError: The vendor cannot be reached.
        """
        return self._renewed(refused)

    def using(self, call: Callable[[Token], T]) -> T:
        """Make a call; when its token is refused, once more with a new one.

        Nothing took effect where a token was refused, so that this holds for writes too.

        Raises:
            TokenRefusedError: A token that was just issued is refused as well.
        """
        token = self.current()
        try:
            return call(token)
        except TokenRefusedError:
            refused = token
        return call(self.renew(refused))

    def _renewed(self, refused: Token | None) -> Token:
        with self._lock:
            if not self._usable(self._held, refused):
                self._held = self._stored(refused) or self._issued(refused)
            assert self._held is not None  # noqa: S101 -- set by the line above, for the type checker
            return self._held

    def _usable(self, token: Token | None, refused: Token | None) -> bool:
        if token is None or (refused is not None and token.access == refused.access):
            return False
        return token.fresh(self._clock())

    def _stored(self, refused: Token | None) -> Token | None:
        stored = self._vault.load(self._name)
        return stored if self._usable(stored, refused) else None

    def _issued(self, refused: Token | None) -> Token:
        with self._vault.alone(self._name):
            stored = self._vault.load(self._name)
            if stored is not None and self._usable(stored, refused):
                return stored  # another process was faster
            in_force = stored.refresh if stored else ""
            issued_at = self._clock()
            new = self._issue(in_force)
            kept = Token(
                access=new.access,
                expires_at=new.expires_at,
                refresh=new.refresh or in_force,
                url=new.url or (stored.url if stored else ""),
                issued_at=issued_at,
            )
            self._vault.save(self._name, kept)
            return kept


@dataclass(frozen=True, slots=True)
class FixedToken:
    """A token that a person made in the CRM and that is not renewed.

    Args:
        token: It.
    """

    token: Token

    def current(self) -> Token:
        """Return it."""
        return self.token

    def using(self, call: Callable[[Token], T]) -> T:
        """Make a call with it; a refusal is final."""
        return call(self.token)


def fixed_token(access: str, url: str = "") -> FixedToken:
    """Return the source of a token that is not renewed.

    Args:
        access: The token.
        url: The address to use with it, or empty.
    """
    return FixedToken(Token(access, url=url))
