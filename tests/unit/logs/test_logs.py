"""Logs: readable or JSON, everything through one redactor, no secret and no personal data."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from crm_steward.logs import HIDDEN, scrub, setup_logging
from crm_steward.model import RecordRef, RetryableError
from crm_steward.settings import Log, Mail

CANARY = "canary-4711"


@dataclass
class Captured:
    """What was logged."""

    stream: io.StringIO

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


def fail(error: Exception) -> NoReturn:
    """Raise `error`, one frame down."""
    raise error


@pytest.fixture
def logged() -> Iterator[Captured]:
    """Log as JSON at debug into memory, and leave no trace for other tests."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    captured = Captured(io.StringIO())
    setup_logging(Log(level="debug", format="json"), stream=captured.stream)
    yield captured
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_line_is_one_json_object_with_time_level_and_place(logged: Captured) -> None:
    """What collectors need is on every line, from structlog and from the standard library alike."""
    structlog.stdlib.get_logger("steward.x").info("pulled", contacts=3, ref=RecordRef("crm", "7"))
    logging.getLogger("other").warning("of %s", "another")
    ours, theirs = logged.lines
    assert ours["event"] == "pulled"
    assert (ours["contacts"], ours["ref"], ours["level"]) == (3, "crm:7", "info")
    assert (theirs["event"], theirs["logger"]) == ("of another", "other")
    assert datetime.fromisoformat(ours["at"]).tzinfo is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"token": CANARY},
        {"Authorization": CANARY},
        {"api-key": CANARY},
        {"first_name": CANARY},
        {"email": [CANARY]},
        {"request": {"headers": {"authorization": f"Bearer {CANARY}"}}},
        {"rows": [{"phone": CANARY}, {"last_name": CANARY}]},
        {"why": f"GET /x?api_token={CANARY} failed"},
        {"why": f"Authorization: Bearer {CANARY}"},
        {"why": f"refused by {CANARY}@example.com"},
        {"why": f"postgresql://steward:{CANARY}@db/x"},
        {"why": f"pat-eu1-{CANARY}-0000"},
        {"object": Mail(host="h", sender="a@example.com", username=CANARY)},
        {"deep": {"a": {"b": {"c": {"d": {"e": {"f": {"g": CANARY}}}}}}}},
        {"raw": CANARY.encode()},
    ],
)
def test_secrets_and_personal_data_are_hidden(logged: Captured, fields: dict[str, Any]) -> None:
    """By the name they go under and by what they look like, however deep."""
    structlog.stdlib.get_logger().error("x", **fields)
    assert CANARY not in logged.text
    assert logged.lines[0]["event"] == "x"


def test_telephone_numbers_are_hidden_and_other_numbers_are_not() -> None:
    """Ids, times and counts stay readable."""
    said = scrub("+33 6 12 34 56 78 and +33612345678, id 4711, 2026-11-22T20:15:00+00:00, 3+4")
    assert said == f"{HIDDEN} and {HIDDEN}, id 4711, 2026-11-22T20:15:00+00:00, 3+4"


def test_an_exception_shows_where_and_never_what(logged: Captured) -> None:
    """The message and the variables of a foreign exception may hold a contact; frames do not."""
    first_name = CANARY
    try:
        fail(ValueError(f"no such person: {first_name}"))
    except ValueError:
        structlog.stdlib.get_logger().exception("a bug")
        logging.getLogger("other").exception("of another library")
    for line in logged.lines:
        assert line["error"] == "ValueError"
        assert "test_an_exception_shows_where_and_never_what" in line["frames"][0]
        assert line["frames"][-1].endswith(" fail")
    assert CANARY not in logged.text


def test_our_own_errors_say_what_is_wrong(logged: Captured) -> None:
    """Messages of StewardErrors hold no personal data by contract, and are what ops needs."""
    try:
        fail(RetryableError("hubspot-eu: no answer in 60 s.", hint="It is tried again."))
    except RetryableError as error:
        structlog.stdlib.get_logger().warning("failed", exc_info=error)
    assert logged.lines[0]["error"] == "hubspot-eu: no answer in 60 s. It is tried again."


def test_warnings_go_the_same_way(logged: Captured) -> None:
    """What Python warns about does not bypass the redactor."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"{CANARY}@example.com", UserWarning, stacklevel=1)
    assert CANARY not in logged.text
    assert logged.lines[0]["logger"] == "py.warnings"


def test_run_ids_are_on_every_line_of_a_run(logged: Captured) -> None:
    """What is bound once appears on the lines of other libraries too."""
    with structlog.contextvars.bound_contextvars(run="pull-1"):
        logging.getLogger("other").warning("x")
    assert logged.lines[0]["run"] == "pull-1"


def test_libraries_do_not_print_requests_even_at_debug(logged: Captured) -> None:
    """At debug urllib3 prints URLs and SQLAlchemy prints parameters."""
    for name in ("urllib3.connectionpool", "sqlalchemy.engine", "alembic.runtime"):
        logging.getLogger(name).debug(CANARY)
        logging.getLogger(name).info(CANARY)
    assert logged.text == ""


def test_on_a_console_lines_are_for_people_and_as_safe() -> None:
    """The readable format goes through the same redactor, exceptions included."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    setup_logging(Log(format="console"), stream=stream)
    try:
        fail(ValueError(CANARY))
    except ValueError:
        structlog.stdlib.get_logger().exception("oops", token=CANARY, path=Path("/x"))
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
    assert "oops" in stream.getvalue()
    assert "/x" in stream.getvalue()
    assert CANARY not in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_the_level_is_kept(logged: Captured) -> None:
    """A quieter level silences what is below it, and setting up again does not double lines."""
    setup_logging(Log(level="warning", format="json"), stream=logged.stream)
    log = structlog.stdlib.get_logger("quiet")
    log.info("no")
    log.warning("yes", at_day=datetime(2026, 11, 22, tzinfo=UTC).date())
    assert [line["event"] for line in logged.lines] == ["yes"]


@given(st.text(max_size=300))
def test_scrubbing_any_text_keeps_it_text(text: str) -> None:
    """The redactor never fails, and does nothing the second time."""
    once = scrub(text)
    assert scrub(once) == once
