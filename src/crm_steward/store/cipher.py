"""A database file that is encrypted as a whole: pages, rollback journal and backups (SQLCipher).

The extra `encrypt` brings the library. It is a copy of SQLite of its own (3.51.1 when this was
written), so that a file with a key is opened by it alone, in this process and by no other driver.
Like every database of ours the file has a rollback journal and no write-ahead log: the corruption
of write-ahead logs before SQLite 3.51.3 cannot occur in it either.

Source: zetetic.net/sqlcipher/sqlcipher-api (key, sqlcipher_export, cipher_log_level).
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_steward.model import ConfigError, Problem

if TYPE_CHECKING:
    from types import ModuleType

SHORTEST = 32
"""Characters a key has at least: it is used as it is, without the slow derivation that a password
would need."""
_PLAIN = b"SQLite format 3\0"
_PURPOSE = b"crm-steward database"


class DatabaseUrl(str):
    """A database's URL together with the key of its file; as text it is the URL alone."""

    __slots__ = ("key",)
    key: str

    @classmethod
    def keyed(cls, url: str, key: str) -> DatabaseUrl:
        """Return `url` with a key.

        Raises:
            ConfigError: The key is too short.
        """
        if len(key) < SHORTEST:
            problem = Problem(
                f"database_key should have at least {SHORTEST} characters.",
                hint="Make one: openssl rand -hex 32",
            )
            raise ConfigError([problem])
        made = cls(url)
        made.key = key
        return made


def url_of(path: Path, key: str) -> str:
    """Return the URL of a SQLite file, with its key where it has one."""
    url = f"sqlite:///{path}"
    return DatabaseUrl.keyed(url, key) if key else url


def key_in(url: str) -> str:
    """Return the key that comes with a URL; empty when its file is not encrypted."""
    return url.key if isinstance(url, DatabaseUrl) else ""


def driver(key: str) -> ModuleType:
    """Return the driver that opens a file with this key.

    Raises:
        ConfigError: The extra is not installed.
    """
    if not key:
        return sqlite3
    try:
        from sqlcipher3 import dbapi2  # noqa: PLC0415 -- an extra
    except ImportError:
        problem = Problem(
            "database_key needs SQLCipher.", hint="Install it: pip install 'crm-steward[encrypt]'"
        )
        raise ConfigError([problem]) from None
    module: ModuleType = dbapi2
    return module


def connect(path: Path | str, key: str, *, read_only: bool = False, **options: Any) -> Any:
    """Open a SQLite file.

    Args:
        path: The file.
        key: Its key; empty where it has none.
        read_only: Whether nothing is to be written.
        options: Of the driver.

    Raises:
        ConfigError: The extra is not installed.
    """
    used = driver(key)
    if read_only:
        uri = f"{Path(path).resolve().as_uri()}?mode=ro"
        connection = used.connect(uri, uri=True, **options)
    else:
        connection = used.connect(path, **options)
    if key:
        # By default the library writes to standard error what it cannot decrypt.
        connection.execute("PRAGMA cipher_log_level = NONE").close()
        connection.execute(f'PRAGMA key = "{_literal(key)}"').close()
        connection.execute("PRAGMA temp_store = MEMORY").close()
    return connection


def errors(key: str) -> tuple[type[Exception], ...]:
    """Return what the drivers raise that this key, or none, is opened with."""
    return (sqlite3.Error, driver(key).Error) if key else (sqlite3.Error,)


def is_plain(path: Path) -> bool:
    """Whether a file is a SQLite file that no key is needed for."""
    with path.open("rb") as file:
        return file.read(len(_PLAIN)) == _PLAIN


def export(source: Path, target: Path, key: str) -> None:
    """Copy a file without a key into an empty one that has one: how a database becomes encrypted."""
    connection = driver(key).connect(source, isolation_level=None)
    try:
        connection.execute("ATTACH DATABASE ? AS kept KEY ?", [str(target), _literal(key)])
        connection.execute("SELECT sqlcipher_export('kept')").fetchall()
        connection.execute("DETACH DATABASE kept")
    finally:
        connection.close()


def _literal(key: str) -> str:
    return f"x'{hmac.new(key.encode(), _PURPOSE, hashlib.sha256).hexdigest()}'"
