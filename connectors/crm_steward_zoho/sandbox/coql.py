"""COQL, as much of it as is needed to read by key: one module, comparisons, pairs in parentheses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, NoReturn

from crm_steward.sandbox import Request, Response, Routes
from crm_steward_zoho.sandbox import answers
from crm_steward_zoho.sandbox.account import ZohoAccount
from crm_steward_zoho.sandbox.schema import TASK
from crm_steward_zoho.sandbox.tasks import task_value
from crm_steward_zoho.sandbox.values import read_time

routes = Routes()
Test = Callable[[Mapping[str, Any]], bool]
_QUERY = re.compile(
    r"\s*select\s+(?P<columns>[\w$,\s]+?)\s+from\s+(?P<module>\w+)\s+where\s+(?P<where>.+?)"
    r"(?:\s+order\s+by\s+(?P<order>\w+(?:\s+(?:asc|desc))?))?"
    r"(?:\s+limit\s+(?:(?P<offset>\d+)\s*,\s*)?(?P<limit>\d+))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_TOKEN = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_$][\w$]*)|(?P<text>'(?:[^']|'')*')|(?P<number>\d+)"
    r"|(?P<sign>>=|<=|!=|=|>|<|\(|\)))"
)
_MOST_ROWS = 2_000
_REACH = 100_000
_MOST_COLUMNS = 500
_TIMES = frozenset({"Created_Time", "Modified_Time"})
_SCOPES = {"Contacts": "ZohoCRM.modules.contacts.READ", "Tasks": "ZohoCRM.modules.tasks.READ"}


@routes.add(
    "POST",
    "/crm/v8/coql",
    body=("select_query",),
    scopes=("ZohoCRM.coql.READ", "ZohoCRM.settings.fields.READ"),
    quota="query",
)
def query(crm: ZohoAccount, request: Request) -> Response:
    """Answer a query over contacts or tasks; no rows is 204."""
    found = _QUERY.fullmatch(str(request.json.get("select_query", "")))
    if found is None:
        _syntax("query")
    module = found["module"]
    if module not in _SCOPES:
        answers.refuse(400, "INVALID_QUERY", "invalid query formed", column_name=module)
    crm.require(request, _SCOPES[module])
    columns = [name.strip() for name in found["columns"].split(",")]
    known = crm.fields if module == "Contacts" else TASK
    for name in columns:
        _check_column(name, known)
    if len(columns) > _MOST_COLUMNS:
        _syntax("select")
    test = _Where(found["where"], known).test()
    limit, offset = int(found["limit"] or 200), int(found["offset"] or 0)
    if limit > _MOST_ROWS or limit + offset > _REACH:
        answers.refuse(400, "LIMIT_EXCEEDED", "limit exceeded", limit=_MOST_ROWS)
    rows = _sorted(_rows(crm, module), found["order"] or "id asc", known)
    matching = list(islice(filter(test, rows), offset, offset + limit + 1))
    page = matching[:limit]
    if not page or (request.meddling and request.meddling.no_op):
        return Response(204)
    data = [{"id": row["id"], **{name: row[name] for name in columns}} for row in page]
    info = {"count": len(page), "more_records": len(matching) > limit}
    return Response(200, {"data": data, "info": info})


class _Row(dict[str, Any]):
    """One record as a query sees it; values are worked out when they are asked for."""

    def __init__(self, record_id: str, value: Callable[[str], Any]) -> None:
        super().__init__(id=record_id)
        self._value = value

    def __missing__(self, name: str) -> Any:
        return self._value(name)


@dataclass
class _Where:
    """A condition, read from left to right."""

    text: str
    known: Any

    def __post_init__(self) -> None:
        self._tokens = list(_split(self.text))
        self._at = 0

    def test(self) -> Test:
        """Return the condition as a function.

        Raises:
            Refusal: 400 when it is not COQL, or more than two criteria are not in pairs.
        """
        test = self._pair()
        if self._at != len(self._tokens):
            _syntax("where")
        return test

    def _pair(self) -> Test:
        """Read one criterion, or two joined by `and` or `or`: three need parentheses."""
        left = self._criterion()
        word = self._peek().lower()
        if word not in {"and", "or"}:
            return left
        self._next()
        right = self._criterion()
        if word == "and":
            return lambda row: left(row) and right(row)
        return lambda row: left(row) or right(row)

    def _criterion(self) -> Test:
        if self._peek() == "(":
            self._next()
            inner = self._pair()
            if self._next() != ")":
                _syntax("where")
            return inner
        name, sign = self._next(), self._next()
        _check_column(name, self.known)
        if sign.lower() == "is":
            return self._null(name)
        return _comparison(name, sign, self._next())

    def _null(self, name: str) -> Test:
        negated = self._peek().lower() == "not"
        if negated:
            self._next()
        if self._next().lower() != "null":
            _syntax("where")
        return lambda row: (row[name] is None) is not negated

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            _syntax("where")
        self._at += 1
        return token


_SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda one, other: bool(one == other),
    "!=": lambda one, other: bool(one != other),
    ">": lambda one, other: bool(one > other),
    "<": lambda one, other: bool(one < other),
    ">=": lambda one, other: bool(one >= other),
    "<=": lambda one, other: bool(one <= other),
}


def _comparison(name: str, sign: str, literal: str) -> Test:
    compare = _SIGNS.get(sign)
    if compare is None:
        _syntax("where")
    value = literal[1:-1].replace("''", "'") if literal.startswith("'") else literal
    if name == "Description":
        answers.refuse(400, "INVALID_QUERY", "invalid query formed", column_name=name)
    wanted = _comparable(name, value)
    if wanted is None:
        answers.refuse(400, "INVALID_QUERY", "invalid query formed", column_name=name)

    def test(row: Mapping[str, Any]) -> bool:
        held = _comparable(name, row[name])
        return held is not None and compare(held, wanted)

    return test


def _comparable(name: str, value: Any) -> Any:
    if name == "id":
        return int(value) if str(value).isdecimal() else None
    if name in _TIMES:
        return read_time(value)
    if isinstance(value, dict):
        return value.get("id")
    return value if value is None else str(value)


def _split(text: str) -> Iterator[str]:
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            _syntax("where")
        at = found.end()
        yield found[0].strip()


def _rows(crm: ZohoAccount, module: str) -> Iterator[_Row]:
    value = task_value if module == "Tasks" else type(crm).value
    for row in crm.index[module.lower()].rows(crm.now()):
        yield _Row(row["id"], partial(value, crm, row))


def _sorted(rows: Iterator[_Row], order: str, known: Any) -> Iterable[_Row]:
    """Return rows in the order asked for; they come in the order of ids."""
    name, _, direction = order.partition(" ")
    _check_column(name, known)
    descending = direction.strip().lower() == "desc"
    if name == "id" and not descending:
        return rows
    return sorted(rows, key=lambda row: _comparable(name, row[name]) or 0, reverse=descending)


def _check_column(name: str, known: Any) -> None:
    if name not in known:
        answers.refuse(400, "INVALID_QUERY", "invalid query formed", column_name=name)


def _syntax(clause: str) -> NoReturn:
    answers.refuse(400, "SYNTAX_ERROR", "error occurred while parsing the query", clause=clause)
