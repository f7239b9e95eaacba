"""Reads a YAML file into plain values that know their place, and refuses what a rule never needs.

YAML 1.2 core: `NO` stays the country, `012` stays text. Anchors, aliases and tags are refused
before they can do anything; size, depth and number of values are bounded while reading, so a
bomb costs as much as its first few bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MarkedYAMLError,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    YAMLError,
)

from crm_steward.model import Problem
from crm_steward.rules.messages import say

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_VALUES = 20_000

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})", re.ASCII)
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})(\.[0-9]{1,30})?([eE][-+]?[0-9]{1,2})?", re.ASCII)
_REFUSED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_TAB = re.compile(r"^ *\t", re.MULTILINE)

Place = tuple[int, int]
"""Line and column, both counted from 1."""

Loc = tuple[str | int, ...]
"""The way from the root of a file to a value: keys and indexes."""


@dataclass(slots=True)
class Node:
    """One value of the file and where it stands; not frozen, that would double its cost.

    Args:
        value: The plain value; for a mapping or list, made of the children's values.
        place: Line and column of its first character.
        keys: Of a mapping: key → where the key stands.
        children: Of a mapping or list: key or index → node.
        text: Of the root: the file's text.
    """

    value: Any
    place: Place
    keys: Mapping[str, Place] = field(default_factory=dict)
    children: Mapping[str | int, Node] = field(default_factory=dict)
    text: str = ""

    def walk(self, path: Sequence[str | int]) -> tuple[Node, Place]:
        """Follow `path` as far as it goes.

        Parts that name no child are skipped: pydantic puts the tag of a union among them.

        Returns:
            The last node met, and the place of the key that leads to it (of the value itself
            inside a list).
        """
        node, key_place = self, self.place
        for part in path:
            if part in node.children:
                child = node.children[part]
                key_place = node.keys.get(str(part), child.place)
                node = child
        return node, key_place

    def empty(self, path: Loc = ()) -> Iterator[tuple[Loc, Place]]:
        """Yield the path of each value that is left empty, and the place of its key."""
        for part, child in self.children.items():
            if child.value is None:
                yield (*path, part), self.keys.get(str(part), child.place)
            yield from child.empty((*path, part))


class Refused(Exception):  # noqa: N818 -- not an error of the program: what reading_problems collects
    """The file is refused as a whole, at one place."""

    def __init__(self, place: Place, code: str, **values: object) -> None:
        super().__init__(code)
        self.place, self.code, self.values = place, code, values


def read_yaml(path: Path, language: str) -> tuple[Node | None, list[Problem]]:
    """Read the file at `path`.

    Args:
        path: A YAML file.
        language: Of the messages.

    Returns:
        The root, None when the file is refused as a whole; and every mistake found.
    """
    try:
        text = _decoded(path)
        reader = _Reader(text)
        root = reader.read()
        root.text = text
    except Refused as refused:
        return None, [_problem(path, refused, language)]
    return root, [_problem(path, refused, language) for refused in reader.mistakes]


def _problem(path: Path, refused: Refused, language: str) -> Problem:
    return Problem(
        say(refused.code, language, **refused.values),
        where=f"{path}:{refused.place[0]}:{refused.place[1]}",
    )


def _decoded(path: Path) -> str:
    """Return the text of the file, checked for size, encoding and characters YAML refuses."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise Refused((1, 1), "file_missing") from None
    except OSError as error:
        raise Refused((1, 1), "file_unreadable", reason=error.strerror or "?") from None
    if len(content) > MAX_BYTES:
        raise Refused((1, 1), "file_too_big", limit=MAX_BYTES // 1024)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        raise Refused(
            _place_at(before, len(before)), "not_utf8", byte=f"0x{content[error.start]:02X}"
        ) from None
    text = text.removeprefix("\N{BYTE ORDER MARK}").replace("\r\n", "\n")
    if bad := _REFUSED.search(text):
        raise Refused(_place_at(text, bad.start()), "bad_character", point=f"{ord(bad[0]):04X}")
    return text


def _place_at(text: str, offset: int) -> Place:
    line_start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - line_start + 1


class _Reader:
    """Builds nodes from the parser's events, without ever following an alias."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.mistakes: list[Refused] = []
        self.values = 0
        self.events: Iterator[Any] = iter(())

    def read(self) -> Node:
        """Read the one document.

        Raises:
            Refused: It cannot be read at all.
        """
        try:
            return self._document()
        except MarkedYAMLError as error:
            raise self._syntax(error) from None
        except YAMLError as error:
            raise Refused((1, 1), "syntax", reason=type(error).__name__) from None

    def _syntax(self, error: MarkedYAMLError) -> Refused:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        line = self.text.splitlines()[place[0] - 1 : place[0]]
        if line and _TAB.match(line[0]):
            return Refused((place[0], line[0].index("\t") + 1), "tab")
        return Refused(place, "syntax", reason=error.problem or error.context or "?")

    def _document(self) -> Node:
        # libyaml's events, 40 times faster than a parser in Python; what they mean is decided here.
        self.events = yaml.parse(self.text, Loader=yaml.CSafeLoader)
        root: Node | None = None
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise Refused(_place(event), "second_document")
                root = self._node(next(self.events), 1)
        if root is None or (root.value is None and not root.children):
            raise Refused((1, 1), "file_empty")
        return root

    def _node(self, event: Any, depth: int) -> Node:
        self._guard(event, depth)
        if isinstance(event, ScalarEvent):
            if bad := _REFUSED.search(event.value):  # written as an escape, "\\0"
                raise Refused(_place(event), "bad_character", point=f"{ord(bad[0]):04X}")
            value = _scalar(event.value) if event.implicit[0] else event.value
            return Node(value, _place(event))
        if isinstance(event, SequenceStartEvent):
            return self._sequence(event, depth)
        return self._mapping(event, depth)

    def _guard(self, event: Any, depth: int) -> None:
        """Refuse what a rule never needs, before it costs anything."""
        if isinstance(event, AliasEvent) or event.anchor is not None:
            raise Refused(_place(event), "alias")
        if event.tag is not None:
            raise Refused(_place(event), "tag")
        if depth > MAX_DEPTH:
            raise Refused(_place(event), "too_deep", limit=MAX_DEPTH)
        self.values += 1
        if self.values > MAX_VALUES:
            raise Refused(_place(event), "too_many", limit=MAX_VALUES)

    def _sequence(self, start: Any, depth: int) -> Node:
        items: list[Node] = []
        for event in self.events:
            if isinstance(event, SequenceEndEvent):
                break
            items.append(self._node(event, depth + 1))
        return Node([item.value for item in items], _place(start), children=dict(enumerate(items)))

    def _mapping(self, start: Any, depth: int) -> Node:
        keys: dict[str, Place] = {}
        children: dict[str | int, Node] = {}
        for event in self.events:
            if isinstance(event, MappingEndEvent):
                break
            place = _place(event)
            key = self._key(event, depth)
            child = self._node(next(self.events), depth + 1)
            if key is None:
                continue
            if key in keys:
                self.mistakes.append(Refused(place, "duplicate_key", key=key, line=keys[key][0]))
                continue
            keys[key], children[key] = place, child
        values = {key: child.value for key, child in children.items()}
        return Node(values, _place(start), keys=keys, children=children)

    def _key(self, event: Any, depth: int) -> str | None:
        """Read a key; one that is not text is a mistake and its value is passed over."""
        node = self._node(event, depth + 1)
        if not isinstance(event, ScalarEvent) or event.value == "":
            self.mistakes.append(Refused(node.place, "key_type"))
            return None
        return str(event.value)


def _place(event: Any) -> Place:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1


def _scalar(text: str) -> str | int | float | bool | None:
    """Resolve a plain scalar as YAML 1.2's core schema does, numbers in decimal only."""
    if text in _NULLS:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text[0] in "-+0123456789":
        if _WHOLE.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text):
            return float(text)
    return text
