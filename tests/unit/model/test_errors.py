"""Errors go from one process to another and stay what they are."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from crm_steward.model import (
    ConfigError,
    Halt,
    HaltedError,
    OtherAccountError,
    Problem,
    RetryableError,
    StewardError,
    StoreError,
)

HALT = Halt(connection="crm", reason="Import", by="Dana", at=datetime(2026, 11, 1, tzinfo=UTC))
PROBLEM = Problem("no such field.", where="own.yaml:3:7", rule="r", hint="Write phone.")


def _all(kind: type[StewardError]) -> Iterator[type[StewardError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _all(each)


@pytest.mark.parametrize(
    "error",
    [
        ConfigError([PROBLEM, Problem("another.")]),
        ConfigError([PROBLEM], "Another text."),
        RetryableError("Too many calls.", hint="Wait.", retry_after=2.5, sent=False),
        HaltedError("Stopped.", hint="Resume.", held={"key": HALT}),
        OtherAccountError("crm: another account"),
        StoreError(),
        StewardError("Something", hint="do this."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_keeps_its_class_words_and_particulars(error: StewardError) -> None:
    """Twice, as one that is handed on is."""
    other = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(error))))  # noqa: S301 -- our own

    assert type(other) is type(error)
    assert str(other) == str(error)
    assert other.args == error.args
    assert vars(other) == vars(error)


def test_every_kind_of_error_can_be_handed_on() -> None:
    """A kind to come as well, whatever arguments it takes."""
    kinds = set(_all(StewardError))
    assert len(kinds) > 12
    for kind in kinds:
        error = kind.__new__(kind)
        error.message, error.hint = "what", "what to do"
        assert vars(pickle.loads(pickle.dumps(error))) == vars(error)  # noqa: S301 -- our own
