"""Exit codes: documented, stable, one per kind of person who must act."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from crm_steward.model import (
    AuthError,
    BusyError,
    ConfigError,
    ConflictError,
    EndedError,
    HaltedError,
    InputError,
    LimitExceededError,
    MailError,
    RecordRejectedError,
    RetryableError,
    StewardError,
    StoreError,
)


class Exit(IntEnum):
    """What the process says when it ends.

    When several apply, the one listed first wins.
    """

    BUG = 70
    """An unexpected error: please report it; a report without personal data is printed."""
    STORE = 7
    """The local database cannot be used: full disk, read-only folder, damage, wrong version."""
    ALTERED = 11
    """The journal is not what was written: find out who could write to the database."""
    BUSY = 8
    """Another crm-steward runs on this database."""
    CONFIG = 3
    """Settings or rules are wrong: edit the file that is named."""
    AUTH = 4
    """A CRM refuses the credential, lacks a scope or is another account: renew, grant or correct."""
    UNREACHABLE = 5
    """A CRM or the network fails for the moment: try again later."""
    HALTED = 12
    """Writing is stopped by a pause, the stop file, refusals or a wrong clock: see why, then resume."""
    LIMIT = 6
    """A limit would be exceeded, a plan is altered, used up or too old, or other suppressions would be lifted than a person was shown: nothing was written."""
    MAIL = 9
    """The mail server did not take the report: it stays in the outbox."""
    INPUT = 10
    """The input file cannot be used."""
    USAGE = 2
    """The command line is wrong: see --help."""
    PARTIAL = 1
    """Done, but something needs a look: a rule test failed, a change was refused."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C; nothing is half written."""
    OK = 0
    """Done."""


_CODES: dict[type[StewardError], Exit] = {
    StoreError: Exit.STORE,
    BusyError: Exit.BUSY,
    ConfigError: Exit.CONFIG,
    AuthError: Exit.AUTH,
    RetryableError: Exit.UNREACHABLE,
    EndedError: Exit.UNREACHABLE,
    HaltedError: Exit.HALTED,
    LimitExceededError: Exit.LIMIT,
    MailError: Exit.MAIL,
    InputError: Exit.INPUT,
    ConflictError: Exit.PARTIAL,
    RecordRejectedError: Exit.PARTIAL,
}


def exit_for(error: StewardError) -> Exit:
    """Return the exit code that `error` ends the process with."""
    return next(code for cls, code in _CODES.items() if isinstance(error, cls))


def gravest(errors: Iterable[StewardError]) -> Exit:
    """Return the code that wins among those of `errors`; OK when there are none."""
    order = list(Exit)
    return min(map(exit_for, errors), key=order.index, default=Exit.OK)
