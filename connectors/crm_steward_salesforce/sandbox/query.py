"""SOQL over REST: `query`, `queryAll`, and the rest of a result by its locator."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from crm_steward.sandbox import Refusal, Request, Response, Routes
from crm_steward_salesforce.sandbox import answers, soql
from crm_steward_salesforce.sandbox.org import Row, SalesforceOrg
from crm_steward_salesforce.sandbox.schema import NAMES, OBJECTS, Field
from crm_steward_salesforce.sandbox.values import full_id, read_stamp, read_time

routes = Routes()
_DATA = "/services/data/v{version}"
_LONGEST = 100_000
_LOCATORS = 10
Test = Callable[[Row], bool]


@routes.add("GET", f"{_DATA}/query", query=("q",))
def query(crm: SalesforceOrg, request: Request, version: str) -> Response:
    """Answer a query over the records that are not deleted."""
    return _answer(crm, request, version, everything=False)


@routes.add("GET", f"{_DATA}/queryAll", query=("q",))
def query_all(crm: SalesforceOrg, request: Request, version: str) -> Response:
    """Answer a query over all records, those in the recycle bin included."""
    return _answer(crm, request, version, everything=True)


@routes.add("GET", f"{_DATA}/query/{{locator}}")
def more(crm: SalesforceOrg, request: Request, version: str, locator: str) -> Response:
    """Bring the next page of a result; a locator belongs to its session, and ends."""
    key, _, start = locator.rpartition("-")
    held = crm.locators.get(key)
    if held is None or held[1] != crm.bearer(request) or held[2] <= crm.now():
        answers.refuse(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    return _page(crm, held[0], key, int(start), version)


def _answer(crm: SalesforceOrg, request: Request, version: str, *, everything: bool) -> Response:
    text = request.one("q")
    if len(text) > _LONGEST:
        answers.refuse(400, "MALFORMED_QUERY", "SOQL statement is too long")
    try:
        select = soql.parse(text)
    except soql.UnbuiltError as error:
        raise Refusal(crm.unknown(f"SOQL with {error}")) from error
    except soql.MalformedError as error:
        answers.refuse(400, "MALFORMED_QUERY", str(error))
    found = _Query(crm, select).rows(everything=everything)
    if select.count:
        return Response(200, {"totalSize": len(found), "done": True, "records": []})
    key = f"01g{crm.count('locator'):015d}"
    if len(found) > crm.page_rows:
        crm.locators[key] = (found, crm.bearer(request), crm.now() + crm.locator_life)
        while len(crm.locators) > _LOCATORS:
            del crm.locators[next(iter(crm.locators))]
    return _page(crm, found, key, 0, version)


def _page(crm: SalesforceOrg, found: list[Row], key: str, start: int, version: str) -> Response:
    end = start + crm.page_rows
    body: dict[str, Any] = {"totalSize": len(found), "done": end >= len(found)}
    if end < len(found):
        body["nextRecordsUrl"] = f"/services/data/v{version}/query/{key}-{end}"
    records = [_linked(record, version) for record in found[start:end]]
    return Response(200, {**body, "records": records})


def _linked(record: Row, version: str) -> Row:
    """Put the version that was asked into a record's own address."""
    attributes = record.get("attributes")
    if not isinstance(attributes, dict):
        return record
    url = f"/services/data/v{version}{attributes['url']}"
    return {**record, "attributes": {**attributes, "url": url}}


class _Query:
    """One query over one object, its names checked against what the user can see."""

    def __init__(self, crm: SalesforceOrg, select: soql.Select) -> None:
        self._crm = crm
        self._select = select
        self._source = NAMES.get(select.source.lower(), "")
        if not crm.exists(self._source):
            message = f"sObject type '{select.source}' is not supported."
            answers.refuse(400, "INVALID_TYPE", message)
        self._paths = [self._path(path) for path in select.paths]

    def rows(self, *, everything: bool) -> list[Row]:
        table: Iterable[Row] = (
            self._crm.tables[self._source].values() if everything else self._crm.live(self._source)
        )
        select = self._select
        test = self._test(select.where) if select.where else None
        found = [row for row in table if test is None or test(row)]
        for path, descending in reversed(select.order):
            steps, field = self._filterable(path)
            found.sort(key=lambda row, s=steps, f=field: self._key(row, s, f), reverse=descending)  # type: ignore[misc] # bound now, not later
        found = found if select.limit is None else found[: select.limit]
        return found if select.count else [self._rendered(row) for row in found]

    def _path(self, path: str) -> tuple[list[Field], Field]:
        """Return the references a path walks along, and the field at its end.

        Raises:
            Refusal: 400, there is no such field for this user.
        """
        *steps, last = path.split(".")
        name, walked = self._source, []
        for step in steps:
            relations = {f.relationship.lower(): f for f in self._crm.fields(name).values()}
            field = relations.get(step.lower()) if step else None
            if field is None or not self._crm.exists(field.refers):
                message = f"Didn't understand relationship '{step}' in field path."
                answers.refuse(400, "INVALID_FIELD", message)
            walked.append(field)
            name = field.refers
        known = OBJECTS[name].lower.get(last.lower(), "")
        if known not in self._crm.fields(name):
            message = f"No such column '{last}' on entity '{name}'."
            answers.refuse(400, "INVALID_FIELD", message)
        return walked, OBJECTS[name].fields[known]

    def _filterable(self, path: str) -> tuple[list[Field], Field]:
        steps, field = self._path(path)
        if not field.filterable:
            message = f"field '{field.name}' can not be filtered in a query call"
            answers.refuse(400, "INVALID_FIELD", message)
        return steps, field

    def _value(self, row: Row, steps: list[Field], field: Field) -> Any:
        held: Row | None = row
        for step in steps:
            held = self._crm.find(step.refers, held[step.name] or "") if held else None
        return held.get(field.name) if held else None

    def _key(self, row: Row, steps: list[Field], field: Field) -> tuple[bool, Any]:
        value = self._value(row, steps, field)
        if value is None:
            return (False, "")
        return (True, value.casefold() if field.type not in _EXACT else value)

    def _test(self, condition: soql.Condition) -> Test:
        if isinstance(condition, soql.Junction):
            tests = [self._test(part) for part in condition.parts]
            whole = all if condition.word == "and" else any
            return lambda row: whole(test(row) for test in tests)
        steps, field = self._filterable(condition.path)
        if condition.sign == "in":
            wanted = {_comparable(value, condition, field) for value in condition.value}
            return lambda row: _held(self._value(row, steps, field), field) in wanted
        wanted_one = _comparable(condition.value, condition, field)
        compare = _SIGNS[condition.sign]
        return lambda row: compare(_held(self._value(row, steps, field), field), wanted_one)

    def _rendered(self, row: Row) -> Row:
        record = _record(self._source, row)
        for steps, field in self._paths:
            self._place(record, row, steps, field)
        return record

    def _place(self, record: Row, row: Row, steps: list[Field], field: Field) -> None:
        for step in steps:
            related = self._crm.find(step.refers, row[step.name] or "")
            if related is None:
                record.setdefault(step.relationship, None)
                return
            inner = record.get(step.relationship)
            if inner is None:
                inner = record[step.relationship] = _record(step.refers, related)
            record, row = inner, related
        record[field.name] = row.get(field.name)


def _record(name: str, row: Row) -> Row:
    return {"attributes": {"type": name, "url": f"/sobjects/{name}/{row['Id']}"}}


_EXACT = frozenset({"id", "reference", "boolean", "date", "datetime", "double"})
_KINDS = {
    "boolean": {"true", "false", "null"},
    "date": {"date", "null"},
    "datetime": {"time", "null"},
}


def _comparable(value: Any, condition: soql.Comparison, field: Field) -> Any:
    """Return a literal in the form in which stored values are compared.

    Raises:
        Refusal: 400, it is not of the field's type.
    """
    if condition.kind not in _KINDS.get(field.type, {"text", "null"}):
        message = f"value of filter criterion for field '{field.name}' must be of type {field.type}"
        answers.refuse(400, "INVALID_FIELD", message)
    if value is None or isinstance(value, bool):
        return value
    if field.type == "datetime":
        return read_time(value)
    return full_id(value) if field.type in _EXACT else str(value).casefold()


def _held(value: Any, field: Field) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if field.type == "datetime":
        return _moment(value)
    return value if field.type in _EXACT else str(value).casefold()


_moments: dict[str, datetime] = {}


def _moment(text: str) -> datetime:
    """Read a stored time; the same few thousand are read again with every page."""
    if text not in _moments:
        if len(_moments) > 200_000:  # noqa: PLR2004 -- a bound, not a meaning
            _moments.clear()
        _moments[text] = read_stamp(text)
    return _moments[text]


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda held, wanted: held is not None and wanted is not None and compare(held, wanted)


_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda held, wanted: bool(held == wanted),
    "!=": lambda held, wanted: bool(held != wanted),
    "<": _ordered(lambda held, wanted: held < wanted),
    "<=": _ordered(lambda held, wanted: held <= wanted),
    ">": _ordered(lambda held, wanted: held > wanted),
    ">=": _ordered(lambda held, wanted: held >= wanted),
}
