"""Errors, sorted by who must act. Anything else that is raised is a bug and is not swallowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm_steward.model.halt import Halt


class StewardError(Exception):
    """Something went wrong that a person or the service itself can put right.

    Args:
        message: One line saying what is wrong and where; without it, the class's first line.
        hint: One line saying what to do next.

    Messages hold record ids and hashes, never personal data or secrets.
    """

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").partition("\n")[0]
        self.hint = hint
        super().__init__(self.message)

    def __str__(self) -> str:
        return _joined(self.message, self.hint)

    def __reduce__(self) -> tuple[Any, ...]:
        # Subclasses take other arguments than they hand up: what was made is kept, not made again.
        return _kept, (type(self), self.args, self.__dict__)


def _kept(kind: type[StewardError], args: tuple[Any, ...], said: Mapping[str, Any]) -> StewardError:
    """Return an error as it was in the process that it came from."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(said)
    return error


def _joined(message: str, hint: str) -> str:
    """Return two sentences on one line, with a full stop between them."""
    if not message or not hint:
        return message or hint
    return f"{message}{'' if message[-1] in '.!?…:;' else '.'} {hint}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file or in the environment.

    Args:
        message: What is wrong, with "(did you mean …?)" where that helps.
        where: `file:line:col`, an environment variable's name, or empty.
        rule: The id of the rule it stands in, or empty.
        hint: What to do about it, or empty.
    """

    message: str
    where: str = ""
    rule: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        rule = f"rule '{self.rule}': " if self.rule else ""
        return f"{place}{rule}{_joined(self.message, self.hint)}"


class ConfigError(StewardError):
    """Settings or rules are wrong: a person edits a file.

    Args:
        problems: Every mistake found, not just the first.
        message: Replaces the list of problems as the error's text.
    """

    def __init__(self, problems: Sequence[Problem], message: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__(message or "\n".join(str(problem) for problem in self.problems))


class AuthError(StewardError):
    """The CRM refuses the credential: a person renews it or grants a scope.

    The connection pauses; the others go on.
    """


class OtherAccountError(AuthError):
    """The credential opens another account than the one that was read: a person corrects it."""


class RetryableError(StewardError):
    """The CRM or the network failed for the moment: the service waits and asks again.

    Args:
        message: What failed.
        hint: What to do if it lasts.
        retry_after: Seconds the other side asked to wait, if it did.
        sent: Whether the request may have reached the other side and taken effect.
    """

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        retry_after: float | None = None,
        sent: bool = True,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        self.sent = sent


class ConflictError(StewardError):
    """The record is no longer what the plan was made from: plan again."""


class RecordRejectedError(StewardError):
    """The CRM refuses this record or this change: it is set aside and reported."""


class LimitExceededError(StewardError):
    """A limit would be exceeded: nothing was written, a person decides."""


class HaltedError(StewardError):
    """Writing is stopped: by a person, the stop file, or too many refusals.

    Args:
        message: What is not written, and why.
        hint: How it is resumed.
        held: Key of a change → the halt that stops it.
    """

    def __init__(
        self, message: str = "", *, hint: str = "", held: Mapping[str, Halt] | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.held = dict(held or {})


class ClockError(HaltedError):
    """This machine's clock and the CRM's disagree: nothing that counts by age is done."""


class StoreError(StewardError):
    """The local database cannot be used: the ops team frees space or mends it."""


class AwayError(StoreError):
    """The database is out of reach for now: its server is away, or another program holds it."""


class BusyError(StewardError):
    """Another crm-steward is already running on this database."""


class EndedError(StewardError):
    """A process of ours was ended before it was done: the ops team sees by whom, or gives it memory."""


class MailError(StewardError):
    """The mail server did not take the message."""


class InputError(StewardError):
    """The file to read cannot be used."""
