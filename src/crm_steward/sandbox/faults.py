"""Scripted faults: what goes wrong, at which call, written as YAML or JSON."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from crm_steward.model import ConfigError, InputError, Problem

_ACTIONS = (
    "status", "reset", "half_body", "truncated_json", "html", "error_body", "slow", "partial",
    "no_op", "human_edit", "expire_token",
)  # fmt: skip


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, int) else value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HumanEdit(_Strict):
    """A person changes a record while we work.

    Args:
        values: Field → value, in the CRM's own names.
        id: Which record; by default the first the call addresses.
        when: Before the call is handled, or after its answer is made.
    """

    values: dict[str, str]
    id: str | None = None
    when: Literal["before", "after"] = "after"


class Partial(_Strict):
    """Some rows of a batch fail.

    Args:
        rows: Positions in the batch, from 0.
        ids: Or the records that fail.
        category: The vendor's error category.
        message: The vendor's message.
    """

    rows: tuple[int, ...] = ()
    ids: tuple[str, ...] = ()
    category: str = "OBJECT_NOT_FOUND"
    message: str = "Could not get some CONTACT objects, they may be deleted or not exist."

    def hits(self, position: int, record_id: str) -> bool:
        """Tell whether the row at `position` fails."""
        return position in self.rows or record_id in self.ids


class Fault(_Strict):
    """One scripted fault: which calls it meets, and the one thing that goes wrong.

    Args:
        name: For the log.
        method: `GET`, `POST`, …; any by default.
        path: Regular expression searched in path and query as sent.
        body: Regular expression searched in the request's body.
        nth: Which of the calls met, counted from 1; a number or several.
        after: Let so many calls pass first.
        times: Stop after it has fired so often.
        probability: Of firing, drawn from the script's seed.
        status: Answer this status instead, with the vendor's own body; nothing takes effect.
        retry_after: Seconds, sent with `status`.
        html: Answer a web page instead of JSON (with any `status`, 502 by default).
        error_body: Answer the vendor's body of a server error with status 200; nothing takes effect.
        reset: Cut the connection before the call takes effect, or after.
        half_body: Send half of the answer, then cut; the call took effect.
        truncated_json: Send a complete answer whose JSON is cut off; the call took effect.
        slow: Seconds to wait before handling.
        partial: Rows of a batch that fail.
        no_op: Say that all went well, without results and without effect.
        human_edit: A person edits a record around the call.
        expire_token: The credential expires with this call.
    """

    name: str = ""
    method: str | None = None
    path: str = ""
    body: str | None = None
    nth: Annotated[tuple[int, ...], BeforeValidator(_as_list)] = ()
    after: Annotated[int, Field(ge=0)] = 0
    times: Annotated[int | None, Field(ge=1)] = None
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0

    status: Annotated[int | None, Field(ge=200, le=599)] = None
    retry_after: Annotated[float | None, Field(ge=0)] = None
    html: bool = False
    error_body: bool = False
    reset: Literal["before", "after"] | None = None
    half_body: bool = False
    truncated_json: bool = False
    slow: Annotated[float | None, Field(gt=0, le=600)] = None
    partial: Partial | None = None
    no_op: bool = False
    human_edit: HumanEdit | None = None
    expire_token: bool = False

    @model_validator(mode="after")
    def _one_action(self) -> Fault:
        chosen = [name for name in _ACTIONS if getattr(self, name)]
        if len(chosen) != 1 and chosen != ["status", "html"]:
            text = (
                f"a fault does exactly one of {', '.join(_ACTIONS)}; this does {chosen or 'none'}"
            )
            raise ValueError(text)
        if self.status is not None and self.status < HTTPStatus.BAD_REQUEST and not self.html:
            raise ValueError("a status below 400 goes with html")
        if self.retry_after is not None and self.status is None:
            raise ValueError("retry_after goes with status")
        for pattern in (self.path, self.body or ""):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"'{pattern}' is not a regular expression: {error}") from error
        return self

    @property
    def action(self) -> str:
        """What goes wrong, in one word."""
        return next(name for name in reversed(_ACTIONS) if getattr(self, name))

    def meets(self, method: str, target: str, body: bytes) -> bool:
        """Tell whether a call is one of those this fault speaks of."""
        return (
            (self.method is None or self.method.upper() == method)
            and re.search(self.path, target) is not None
            and (
                self.body is None
                or re.search(self.body, body.decode("utf-8", "replace")) is not None
            )
        )


@dataclass(slots=True)
class _Entry:
    fault: Fault
    met: int = 0
    fired: int = 0


class FaultScript:
    """The faults in force, and how often each has met a call and fired.

    Args:
        faults: In force from the start.
        seed: Of the draws of `probability`.
    """

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self._entries = [_Entry(fault) for fault in faults]
        self._random = random.Random(seed)  # noqa: S311 -- repeatable draws, not secrets
        self._lock = threading.Lock()

    def add(self, faults: Iterable[Fault]) -> None:
        """Put more faults in force."""
        with self._lock:
            self._entries.extend(_Entry(fault) for fault in faults)

    def clear(self) -> None:
        """Take all faults out of force."""
        with self._lock:
            self._entries.clear()

    def firing(self, method: str, target: str, body: bytes) -> list[Fault]:
        """Count a call, and return the faults that fire on it, in order."""
        with self._lock:
            return [
                entry.fault
                for entry in self._entries
                if entry.fault.meets(method, target, body) and self._fires(entry)
            ]

    def _fires(self, entry: _Entry) -> bool:
        fault = entry.fault
        entry.met += 1
        due = (
            entry.met > fault.after
            and (not fault.nth or entry.met in fault.nth)
            and (fault.times is None or entry.fired < fault.times)
            and (fault.probability == 1 or self._random.random() < fault.probability)
        )
        entry.fired += due
        return due

    def to_json(self) -> list[dict[str, Any]]:
        """Return the faults in force with their counts."""
        with self._lock:
            return [
                {
                    **entry.fault.model_dump(mode="json", exclude_defaults=True),
                    "met": entry.met,
                    "fired": entry.fired,
                }
                for entry in self._entries
            ]


def parse_faults(content: Any) -> list[Fault]:
    """Read faults from what JSON or YAML held: one, a list, or `{faults: [...]}`.

    Raises:
        ConfigError: With every mistake.
    """
    if isinstance(content, dict) and "faults" in content:
        content = content["faults"]
    items: Sequence[Any] = content if isinstance(content, list) else [content]
    faults: list[Fault] = []
    problems: list[Problem] = []
    for position, item in enumerate(items, start=1):
        try:
            faults.append(Fault.model_validate(item))
        except ValidationError as error:
            problems += [
                Problem(
                    f"{'.'.join(map(str, e['loc'])) or 'fault'}: {e['msg']}", f"fault {position}"
                )
                for e in error.errors(include_url=False)
            ]
    if problems:
        raise ConfigError(problems)
    return faults


def load_faults(path: Path) -> list[Fault]:
    """Read a file of faults, YAML or JSON.

    Raises:
        InputError: It cannot be read.
        ConfigError: It holds mistakes.
    """
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise InputError(
            f"{path}: the faults cannot be read ({type(error).__name__}).",
            hint="Write YAML or JSON: a list of faults.",
        ) from error
    return parse_faults(content if content is not None else [])
