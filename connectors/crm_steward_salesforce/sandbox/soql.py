"""A reader of the SOQL that is built: fields with dots, AND, OR, IN, null, ORDER BY, LIMIT.

What SOQL knows and this does not (LIKE, GROUP BY, OFFSET, date literals, …) is refused loudly, so
that no client leans on a guess; what is not SOQL at all is `MALFORMED_QUERY`. As in SOQL, AND and
OR cannot be mixed without parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')"
    r"|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:\d\d))"
    r"|(?P<date>\d{4}-\d\d-\d\d)"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_][\w.]*)"
    r"|(?P<sign><=|>=|!=|<>|[=<>(),]))"
)
_UNBUILT = frozenset(
    {
        "like", "having", "group", "offset", "typeof", "using", "includes", "excludes", "for",
        "with", "not", "update", "today", "yesterday", "tomorrow", "min", "max", "sum", "avg",
        "count_distinct", "fields",
    }
)  # fmt: skip
_SIGNS = {"<>": "!="}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


class MalformedError(ValueError):
    """It is not SOQL."""


class UnbuiltError(ValueError):
    """It is SOQL that is not built."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`path sign value`, where sign is `=`, `!=`, `<`, `<=`, `>`, `>=`, or `in` with a list."""

    path: str
    sign: str
    value: Any
    kind: str


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined by `and` or by `or`."""

    word: str
    parts: tuple[Comparison | Junction, ...]


Condition = Comparison | Junction


@dataclass(frozen=True, slots=True)
class Select:
    """One query.

    Args:
        paths: Fields, with dots along references.
        source: The object.
        where: The condition, if any.
        order: `(path, descending)` in order.
        limit: Rows at most; None for all.
        count: It is `SELECT COUNT()`.
    """

    paths: tuple[str, ...]
    source: str
    where: Condition | None = None
    order: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None
    count: bool = False


@dataclass(slots=True)
class _Tokens:
    items: list[tuple[str, str]]
    at: int = field(default=0)

    def peek(self) -> tuple[str, str]:
        return self.items[self.at] if self.at < len(self.items) else ("end", "")

    def take(self) -> tuple[str, str]:
        found = self.peek()
        self.at += 1
        return found

    def word(self, *wanted: str) -> str:
        """Take the next token if it is one of the words, and return it in lower case."""
        kind, text = self.peek()
        if kind == "name" and text.lower() in wanted:
            self.at += 1
            return text.lower()
        return ""

    def sign(self, wanted: str) -> bool:
        if self.peek() == ("sign", wanted):
            self.at += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        if not self.sign(sign):
            raise MalformedError(f"expecting '{sign}', found '{self.peek()[1]}'")

    def name(self) -> str:
        kind, text = self.take()
        if kind != "name":
            raise MalformedError(f"unexpected token: '{text}'")
        return text

    def path(self) -> str:
        found = self.name()
        if found.lower() in _UNBUILT:
            raise UnbuiltError(found.upper())
        return found


def parse(text: str) -> Select:
    """Read one query.

    Raises:
        MalformedError: It is not SOQL.
        UnbuiltError: It is SOQL that is not built.
    """
    tokens = _Tokens(list(_tokens(text)))
    if not tokens.word("select"):
        raise MalformedError("unexpected token: expecting SELECT")
    paths, count = _selected(tokens)
    if not tokens.word("from"):
        raise MalformedError("unexpected token: expecting FROM")
    source = tokens.name()
    where = _joined(tokens) if tokens.word("where") else None
    order = _order(tokens) if tokens.word("order") else ()
    limit = _limit(tokens) if tokens.word("limit") else None
    kind, rest = tokens.peek()
    if kind != "end":
        raise (
            UnbuiltError(rest.upper())
            if rest.lower() in _UNBUILT
            else MalformedError(f"unexpected token: '{rest}'")
        )
    return Select(paths, source, where, order, limit, count)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, text = 0, text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise MalformedError(f"line 1:{at} no viable alternative at character")
        at = found.end()
        yield str(found.lastgroup), found[str(found.lastgroup)]


def _selected(tokens: _Tokens) -> tuple[tuple[str, ...], bool]:
    if tokens.word("count"):
        tokens.expect("(")
        tokens.expect(")")
        return (), True
    paths: list[str] = []
    while not paths or tokens.sign(","):
        if tokens.peek() == ("sign", "("):
            raise UnbuiltError("a query inside SELECT")
        paths.append(tokens.path())
    if tokens.peek() == ("sign", "("):
        raise UnbuiltError(f"the function {paths[-1]}()")
    if len({path.lower() for path in paths}) < len(paths):
        raise MalformedError("duplicate field selected")
    return tuple(paths), False


def _joined(tokens: _Tokens) -> Condition:
    parts = [_single(tokens)]
    word = ""
    while found := tokens.word("and", "or"):
        if word and found != word:
            raise MalformedError(f"unexpected token: '{found}'")
        word = found
        parts.append(_single(tokens))
    return parts[0] if len(parts) == 1 else Junction(word, tuple(parts))


def _single(tokens: _Tokens) -> Condition:
    if tokens.sign("("):
        inner = _joined(tokens)
        tokens.expect(")")
        return inner
    path = tokens.path()
    if tokens.word("in"):
        tokens.expect("(")
        values = [_value(tokens)]
        while tokens.sign(","):
            values.append(_value(tokens))
        tokens.expect(")")
        return Comparison(path, "in", [value for _, value in values], values[0][0])
    kind, sign = tokens.take()
    if kind != "sign" or sign in "(),":
        raise (
            UnbuiltError(sign.upper())
            if sign.lower() in _UNBUILT
            else MalformedError(f"unexpected token: '{sign}'")
        )
    value_kind, value = _value(tokens)
    return Comparison(path, _SIGNS.get(sign, sign), value, value_kind)


def _value(tokens: _Tokens) -> tuple[str, Any]:
    kind, text = tokens.take()
    if kind == "text":
        return kind, re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), text[1:-1])
    if kind == "number":
        return kind, float(text)
    if kind in {"time", "date"}:
        return kind, text
    word = text.lower() if kind == "name" else ""
    if word in {"true", "false", "null"}:
        return word, {"true": True, "false": False, "null": None}[word]
    if word:
        raise UnbuiltError(f"the value {text}")
    raise MalformedError(f"unexpected token: '{text}'")


def _order(tokens: _Tokens) -> tuple[tuple[str, bool], ...]:
    if not tokens.word("by"):
        raise MalformedError("unexpected token: expecting BY")
    found: list[tuple[str, bool]] = []
    while True:
        path = tokens.path()
        found.append((path, tokens.word("asc", "desc") == "desc"))
        if tokens.word("nulls"):
            raise UnbuiltError("NULLS")
        if not tokens.sign(","):
            return tuple(found)


def _limit(tokens: _Tokens) -> int:
    kind, text = tokens.take()
    if kind != "number" or not text.isdecimal():
        raise MalformedError(f"unexpected token: '{text}'")
    return int(text)
