"""The register of processing activities (GDPR, article 30): the one place of retention periods."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from crm_steward.model import ConfigError, Problem
from crm_steward.rules.block import Block
from crm_steward.rules.loading import validated
from crm_steward.rules.messages import say
from crm_steward.rules.periods import Period
from crm_steward.rules.reading import Node, Place, read_yaml
from crm_steward.rules.registerfile import RegisterFile, Retention
from crm_steward.rules.texts import Text

BLANK = re.compile(r"\[[^\[\]]+\]")
"""A text in brackets: what somebody still has to fill in."""
_GROUP = "crm_steward.rules"


@dataclass(frozen=True)
class Register:
    """A register that was read and found right.

    Args:
        content: What the file says.
        file: Where it was read.
        text: What stood there.
    """

    content: RegisterFile
    file: Path
    text: str = ""

    @cached_property
    def periods(self) -> Mapping[str, Period]:
        """Every period, by its id."""
        entries = (entry for activity in self.content.activities for entry in activity.retention)
        return MappingProxyType({entry.id: _period(entry) for entry in entries})

    @cached_property
    def fields(self) -> frozenset[str]:
        """Every field that some activity covers."""
        return frozenset[str]().union(*(one.fields for one in self.content.activities))

    def covering(self, field: str) -> tuple[str, ...]:
        """Return the ids of the activities that cover `field`."""
        return tuple(one.id for one in self.content.activities if field in one.fields)

    @property
    def digest(self) -> str:
        """Changes whenever a period or the fields covered change; wording does not count."""
        periods = sorted(
            f"{one.id} {one.length} {one.clock} {one.bound} {one.then}"
            for one in self.periods.values()
        )
        lines = "\n".join([*periods, *sorted(self.fields)])
        return hashlib.sha256(lines.encode()).hexdigest()[:16]

    def blanks(self, language: str) -> tuple[str, ...]:
        """Return texts in brackets, `[name of the company]`, that are still to be filled in."""
        texts = (text.in_language(language) for text in _texts(self.content))
        return tuple(dict.fromkeys(blank for text in texts for blank in BLANK.findall(text)))


def _period(entry: Retention) -> Period:
    return Period(entry.id, entry.period, entry.clock, entry.then, entry.source, entry.bound)


def _texts(part: object) -> Iterator[Text]:
    if isinstance(part, Text):
        yield part
    elif isinstance(part, Block):
        for name in type(part).model_fields:
            yield from _texts(getattr(part, name))
    elif isinstance(part, tuple):
        for item in part:
            yield from _texts(item)


def load_register(path: Path, language: str = "en") -> Register:
    """Read the register at `path`.

    Args:
        path: A YAML file.
        language: Of the messages about mistakes.

    Raises:
        ConfigError: Holds every mistake of the file.
    """
    root, problems = read_yaml(path, language)
    content = None
    if root is not None:
        content, found = validated(RegisterFile, root, path, language)
        problems += [*found, *_twice(root, path, language)]
    if root is None or content is None or problems:
        raise ConfigError(sorted(problems, key=_place))
    return Register(content, path, root.text)


def _place(problem: Problem) -> tuple[int, int]:
    _, line, column = problem.where.rsplit(":", 2)
    return int(line), int(column)


def _twice(root: Node, path: Path, language: str) -> Iterator[Problem]:
    """Yield ids that were used before: of activities, and of periods over all activities."""
    activities = _items(root, "activities")
    periods = [entry for activity in activities for entry in _items(activity, "retention")]
    for nodes in (activities, periods):
        places: dict[str, Place] = {}
        for node in nodes:
            written = node.children.get("id")
            if written is None or not isinstance(written.value, str):
                continue
            first = places.setdefault(written.value, written.place)
            if first != written.place:
                sentence = say("duplicate_id", language, id=written.value, where=_at(path, first))
                yield Problem(sentence, where=_at(path, written.place))


def _items(node: Node, key: str) -> list[Node]:
    """Return the items of the list at `key`; none when there is no list."""
    held = node.children.get(key)
    return list(held.children.values()) if held and isinstance(held.value, list) else []


def _at(path: Path, place: Place) -> str:
    return f"{path}:{place[0]}:{place[1]}"


def shipped_register() -> Path:
    """Return the register that is shipped as a template: it stands beside the shipped packs."""
    for point in entry_points(group=_GROUP):
        file = Path(str(files(point.load()))) / "register" / "register.yaml"
        if file.is_file():
            return file
    raise ConfigError([Problem("the shipped register is missing.", hint="Reinstall crm-steward.")])
