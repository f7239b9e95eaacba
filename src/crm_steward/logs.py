"""Logging: one stream to stderr, readable or JSON, without secrets and without personal data.

Everything goes through it, other libraries' messages included: structlog's loggers and the
standard library's meet in one `ProcessorFormatter`, behind one redactor.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta, tzinfo
from pathlib import Path
from typing import Any, Protocol, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from crm_steward.model import RecordRef, StewardError

HIDDEN = "***"

SECRET_KEYS = frozenset(
    {
        *("token", "access_token", "refresh_token", "api_key", "apikey", "api_token", "hapikey"),
        *("secret", "client_secret", "password", "passwd", "private_key", "dsn"),
        *("authorization", "cookie", "set_cookie", "credential", "credentials"),
    }
)
PERSONAL_KEYS = frozenset(
    {
        *("email", "emails", "phone", "phones", "mobile", "address", "street", "postcode", "city"),
        *("first_name", "last_name", "full_name", "firstname", "lastname", "contact", "birthday"),
        *("recipient", "recipients", "sender", "to", "subject", "body", "title"),
        *("evidence", "values", "expected"),
    }
)
_HIDDEN_KEYS = SECRET_KEYS | PERSONAL_KEYS

_PATTERNS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    # What must occur for the expression to be worth trying, and what to hide.
    (("@",), re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")),
    (("pat-",), re.compile(r"\bpat-\w{2,4}-[\w-]{8,}")),  # HubSpot private app
    (("earer ", "asic "), re.compile(r"(?i)\b(?:bearer|basic)\s+[\w.~+/=-]{6,}")),
    (("00D",), re.compile(r"\b00D\w{12,15}![\w.]{20,}")),  # Salesforce session
    (("eyJ",), re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")),  # JSON web token
    (
        ("=",),
        re.compile(
            r"(?i)\b(?:hapikey|api_token|api_key|access_token|refresh_token|client_secret"
            r"|password|token|secret)=[^\s&'\"]+"
        ),
    ),
    (("://",), re.compile(r"(?<=://)[^/\s:@]{0,200}:[^/\s@]{1,500}(?=@)")),  # user:password@host
    (("+",), re.compile(r"(?<![\w+])\+\d[\d ().-]{7,20}\d")),  # telephone numbers
)

_FOREIGN = ("urllib3", "alembic", "sqlalchemy", "hubspot", "filelock", "asyncio")
_DEPTH = 6
_WRITTEN = (RecordRef, date, time, timedelta, tzinfo, Path)


class LogSettings(Protocol):
    """What the settings say about logging."""

    @property
    def level(self) -> str:
        """The least severe level shown: debug, info, warning or error."""
        ...

    @property
    def format(self) -> str:
        """console, json, or auto: console on a terminal."""
        ...


def setup_logging(log: LogSettings, *, stream: TextIO | None = None) -> None:
    """Send every log message of the process to stderr; may be called again.

    Args:
        log: Level and format.
        stream: Where to write instead of stderr.
    """
    stream = stream or sys.stderr
    readable = log.format == "console" or (log.format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(readable=readable, colors=stream.isatty()))
    level = logging.getLevelNamesMapping()[log.level.upper()]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    for name in _FOREIGN:
        # At debug they print requests and parameters of requests.
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # what it skips is a metric of ours
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide values by the name they go under and by what they look like."""
    return {key: _clean(key, value, 0) for key, value in event.items()}


def scrub(text: str) -> str:
    """Hide what looks like a credential, an e-mail address or a telephone number in `text`."""
    for hints, pattern in _PATTERNS:
        if any(hint in text for hint in hints):
            text = pattern.sub(HIDDEN, text)
    return text


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
    ]


def _formatter(*, readable: bool, colors: bool) -> logging.Formatter:
    # The exception is turned into values before the redactor: renderers come after it and would
    # print what it never saw. Messages of foreign exceptions may hold personal data: class and
    # frames say where to look.
    ends: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _explain_exception,
        redact,
    ]
    if readable:
        ends += [structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="at")]
    else:
        ends += [structlog.processors.JSONRenderer(ensure_ascii=False, default=_unprintable)]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_shared(), processors=ends)


def _explain_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by the exception's class, what it says if it is ours, and its frames."""
    said = event.pop("exc_info", None)
    error = said[1] if isinstance(said, tuple) else said
    if said is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["error"] = describe(error)
        event["frames"] = frames(error)
    return event


class ElsewhereError(Exception):
    """A bug in another process of ours.

    Args:
        said: What `describe` says of it there.
        frames: Where it was raised there, innermost last.
    """

    def __init__(self, said: str, frames: Sequence[str]) -> None:
        super().__init__(said)
        self.said = said
        self.frames = list(frames)


def describe(error: BaseException) -> str:
    """Say what went wrong: our errors in their words, others by their class alone."""
    if isinstance(error, ElsewhereError):
        return error.said
    return str(error) if isinstance(error, StewardError) else type(error).__qualname__


def frames(error: BaseException, limit: int = 12) -> list[str]:
    """Return where it went wrong, innermost last, without a single value."""
    if isinstance(error, ElsewhereError):
        return error.frames[-limit:]
    found: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append(
            f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno} {code.co_name}"
        )
        trace = trace.tb_next
    return found[-limit:]


def _clean(key: str, value: Any, depth: int) -> Any:
    if key.lower().replace("-", "_") in _HIDDEN_KEYS and value is not None:
        return HIDDEN
    if isinstance(value, str):
        return scrub(value)
    if depth >= _DEPTH:
        return HIDDEN
    if isinstance(value, Mapping):
        return {str(name): _clean(str(name), inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and not isinstance(value, RecordRef):
        return [_clean("", inner, depth + 1) for inner in value]
    return _unprintable(value)


def _unprintable(value: Any) -> Any:
    """Let numbers pass, write records, dates and paths down, and name the type of all else."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, _WRITTEN):
        return scrub(str(value))
    return f"<{type(value).__name__}>"
