"""Access tokens in the database, sealed with a key that is kept apart from it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crm_steward.connect.tokens import Token
from crm_steward.model import BusyError, Clock, ConfigError, Problem, RetryableError, StoreError
from crm_steward.store.database import Database, upsert
from crm_steward.store.lease import Lease, hold
from crm_steward.store.tables import tokens

KEY_FILE = "crm-steward.key"
"""The key's file, made where none is set."""

_SHORTEST = 32
_PATIENCE = timedelta(minutes=2)
_TRIES = 5
_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class TokenKey:
    """Where the key comes from that seals tokens.

    Args:
        given: What the settings say: one key, or the present one and former ones, separated by
            spaces. Empty: the file's.
        file: Made with a random key when it is needed and not there.
    """

    given: str
    file: Path

    def read(self) -> list[str]:
        """Return the keys, the one that seals first.

        Raises:
            ConfigError: A key is too short, or the file cannot be read or made.
        """
        found = re.split(r"[\s,]+", (self.given or self._from_file()).strip())
        if any(len(key) < _SHORTEST for key in found):
            problem = Problem(
                f"token_key should have at least {_SHORTEST} characters.",
                hint="Make one: openssl rand -hex 32",
            )
            raise ConfigError([problem])
        return found

    def _from_file(self) -> str:
        try:
            descriptor = os.open(self.file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return self._present()
        except OSError as error:
            raise self._unusable(error) from error
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            key = secrets.token_hex(32)
            file.write(f"{key}\n")
            file.flush()
            os.fsync(file.fileno())
        return key

    def _present(self) -> str:
        text = ""
        try:
            for _ in range(_TRIES):
                if text := self.file.read_text("ascii"):
                    break
                time.sleep(_PAUSE)  # whoever makes it has not written it yet
        except (OSError, UnicodeDecodeError) as error:
            raise self._unusable(error) from error
        return text

    def _unusable(self, error: Exception) -> ConfigError:
        said = getattr(error, "strerror", None) or type(error).__name__
        problem = Problem(
            f"the key that seals tokens cannot be read or made: {str(said).lower()}.",
            where=str(self.file),
            hint="Give this user the right to, or set token_key (CRM_STEWARD_TOKEN_KEY).",
        )
        return ConfigError([problem])


class DatabaseVault:
    """A vault that all processes on one database share.

    The database is opened when the first token is asked for: connections with a static token never
    touch it.

    Args:
        open_database: Opens it.
        key: Seals what is kept.
        clock: The time.
    """

    def __init__(
        self, open_database: Callable[[], Database], key: TokenKey, *, clock: Clock
    ) -> None:
        self._open = open_database
        self._key = key
        self._clock = clock
        self._opening = threading.Lock()
        self._opened: Database | None = None
        self._held: dict[str, Lease] = {}

    def load(self, name: str) -> Token | None:
        """Return the token kept under `name`, or None.

        Raises:
            ConfigError: It was sealed with another key.
            StoreError: The database cannot be read.
        """
        query = sa.select(tokens.c.sealed).where(tokens.c.name == name)
        with self._database.read() as reading:
            sealed = reading.execute(query).scalar()
        return None if sealed is None else _token(self._unsealed(name, sealed))

    def save(self, name: str, token: Token) -> None:
        """Keep `token` under `name`, and forget the tokens of the connection's former credentials.

        A refresh token that was just given out exists nowhere else: a database that is locked is
        tried again for minutes, and nothing that happens to another name's lease is in its way.

        Raises:
            BusyError: Another process got into `alone(name)` while this one was held up in there.
            StoreError: It cannot be kept.
        """
        sealed = self._seal.encrypt(json.dumps(_content(token)).encode()).decode()
        row = {"name": name, "sealed": sealed, "saved_at": self._clock()}
        former = tokens.c.name.startswith(f"{name.partition('/')[0]}/", autoescape=True)
        for attempt in range(1, _TRIES + 1):
            try:
                with self._database.write(fenced=False) as writing:
                    if lease := self._held.get(name):
                        lease.confirm(writing)
                    writing.execute(sa.delete(tokens).where(former, tokens.c.name != name))
                    writing.execute(upsert(self._database, tokens, ["name"]), row)
            except StoreError:
                if attempt == _TRIES:
                    raise
            else:
                return

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Let one caller at a time into the block, in all processes on this database.

        Raises:
            RetryableError: Another one has been in there for minutes.
        """
        with ExitStack() as stack:
            self._held[name] = self._enter(stack, name)
            stack.callback(self._held.pop, name)
            yield

    def close(self) -> None:
        """Close the database, if it was opened."""
        if self._opened is not None:
            self._opened.close()

    def _enter(self, stack: ExitStack, name: str) -> Lease:
        deadline = time.monotonic() + _PATIENCE.total_seconds()
        while True:
            try:
                return stack.enter_context(hold(self._database, f"token {name}", clock=self._clock))
            except BusyError as error:
                if time.monotonic() >= deadline:
                    connection = name.partition("/")[0]
                    raise RetryableError(
                        f"{connection}: another process has been renewing the token for minutes",
                        hint="It is stuck if that lasts: stop it.",
                        sent=False,
                    ) from error
                time.sleep(_PAUSE)

    @property
    def _database(self) -> Database:
        """The database, opened once however many pulls want their first token at the same time."""
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    @cached_property
    def _seal(self) -> Any:
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415 -- loads OpenSSL

        digests = (hashlib.sha256(key.encode()).digest() for key in self._key.read())
        return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])

    def _unsealed(self, name: str, sealed: str) -> dict[str, Any]:
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 -- loads OpenSSL

        try:
            content: dict[str, Any] = json.loads(self._seal.decrypt(sealed.encode()))
        except InvalidToken:
            connection = name.partition("/")[0]
            problem = Problem(
                f"connection '{connection}': its stored token was sealed with another token_key.",
                hint="Bring the former key back (it may stand after the new one), or give the "
                "connection a new credential: then the stored token is not used.",
            )
            raise ConfigError([problem]) from None
        return content


def _content(token: Token) -> dict[str, Any]:
    times = {"expires_at": token.expires_at, "issued_at": token.issued_at}
    written = {name: time.isoformat() if time else None for name, time in times.items()}
    return {"access": token.access, "refresh": token.refresh, "url": token.url, **written}


def _token(content: dict[str, Any]) -> Token:
    times = {
        name: datetime.fromisoformat(content[name]) if content[name] else None
        for name in ("expires_at", "issued_at")
    }
    return Token(content["access"], refresh=content["refresh"], url=content["url"], **times)
