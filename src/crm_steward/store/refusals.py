"""What a database says when it refuses, as an error of ours: what is wrong, what to do, no values."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from crm_steward.model import AwayError, StoreError

MALFORMED: Final = "database disk image is malformed"
"""What SQLite says of damage."""

_DAMAGED = ("malformed", "could not decode", "corrupt")
_REMEDIES = {
    "unable to open": "Check that the folder exists and that this user may write to it.",
    "readonly": "Give this user the right to write to the file and its folder.",
    "read-only": "Give this user the right to write to the database.",
    "full": "Free disk space; nothing was half written.",
    "malformed": "The file is damaged. Stop the service, then restore the last backup: "
    "crm-steward restore FILE.",
    "not a database": "If it is something else, name another file in `database:`; if it has another "
    "key, see `database_key` (one without a key gets one by backup and restore); if it is damaged, stop "
    "the service, then: crm-steward restore FILE.",
    "lock timeout": "Another program holds the database: stop it, then try again.",
    "locked": "Another program holds the database: stop it, then try again.",
    "disk i/o": "The disk fails or is full: check it; nothing was half written.",
    "password": "Check the user and the password in `database:`.",
    "connection refused": "Check that the database server runs and listens there.",
    "could not translate": "Check the host name in `database:`.",
    "failed to resolve": "Check the host name in `database:`.",
    "permission denied": "Give this user the right to read and write there.",
}

_AWAY = ("the database server is away", "Check that it runs; what was committed is there again.")
_MANY = ("the database server takes no more connections", "Raise its max_connections.")
_FOR_NOW = (_AWAY, _MANY)
"""What passes by itself, or once somebody sees to the server: it is worth waiting for."""
_ELSEWHERE = ("locked", "connection refused", "could not translate", "failed to resolve")
"""The same, of what has a remedy of its own. A name may not resolve because a network is away."""
_SPACE = (
    "its disk is full",
    "Free space on the database server's disk, then try again; nothing was half written.",
)
_BROKEN = (
    "the database is damaged",
    "Stop the service, keep the server's files as they are, and restore the last dump: see "  # noqa: ISC004 -- one text
    "deploy/README.md (PostgreSQL, damage). The server's log names the file.",
)
_CODES = MappingProxyType(
    {
        "53100": _SPACE,
        "58030": ("its disk fails", "Check the database server's disk; nothing was half written."),
        "XX001": _BROKEN,
        "XX002": _BROKEN,
        "53300": _MANY,
        "57P01": _AWAY,
        "57P02": _AWAY,
        "57P03": _AWAY,
    }
)
"""PostgreSQL's codes (Appendix A of its manual) → what is wrong, what to do."""

_CONNECTION = "08"
"""How the codes of all that goes wrong with a connection begin."""

_SAID = MappingProxyType(
    {
        "no space left on device": _SPACE,
        "invalid page in block": _BROKEN,
        "could not read block": _BROKEN,
        "is the server running": _AWAY,
        "server closed the connection": _AWAY,
        "the connection is closed": _AWAY,
        "connection is lost": _AWAY,
        "terminating connection": _AWAY,
        "timeout expired": _AWAY,
        "could not receive data": _AWAY,
        "could not send data": _AWAY,
        "ssl syscall error": _AWAY,
        "ssl connection has been closed": _AWAY,
    }
)
"""How drivers say the same where they know no code."""


def refused(place: str, error: Any) -> StoreError:
    """Return what to raise when a driver raised `error`.

    Args:
        place: Where the database is, without credentials.
        error: The driver's own exception.
    """
    said = str(error)
    known = _known(getattr(error, "sqlstate", None) or "", said.lower())
    if known is None:
        return store_error(place, said)
    what, hint = known
    raised = AwayError if known in _FOR_NOW else StoreError
    return raised(f"Database {place}: {what}.", hint=hint)


def silent(place: str) -> AwayError:
    """Return what to raise when every connection there may be waits for an answer."""
    return AwayError(
        f"Database {place}: the database does not answer.",
        hint="Check what holds it up; the service goes on once it answers.",
    )


def _known(code: str, said: str) -> tuple[str, str] | None:
    if code in _CODES:
        return _CODES[code]
    if code.startswith(_CONNECTION):
        return _AWAY
    if code or any(part in said for part in _REMEDIES):
        return None
    return next((known for part, known in _SAID.items() if part in said), None)


def store_error(place: str, said: str) -> StoreError:
    """Return what to raise when a driver refuses, by what it said: what to do, without values."""
    if any(part in said.lower() for part in _DAMAGED):
        said = MALFORMED  # some of these quote what stands there
    lowered = said.lower()
    known = next((part for part in _REMEDIES if part in lowered), None)
    what = said.splitlines()[0] if known else "the database refused a statement"
    hint = _REMEDIES[known] if known else "See the log; this may be a bug."
    raised = AwayError if known in _ELSEWHERE else StoreError
    return raised(f"Database {place}: {what}.", hint=hint)
