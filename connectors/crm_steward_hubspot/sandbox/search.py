"""Contact search: filters over an index that lags, with its caps and its own rate limit."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from crm_steward.sandbox import Refusal, Request, Response, Routes
from crm_steward_hubspot.sandbox import answers
from crm_steward_hubspot.sandbox.account import HubSpotAccount
from crm_steward_hubspot.sandbox.contacts import READ
from crm_steward_hubspot.sandbox.index import Row
from crm_steward_hubspot.sandbox.schema import CONTACT
from crm_steward_hubspot.sandbox.values import read_number, read_time

routes = Routes()
_BODY, _PAGE, _REACH = 3_000, 200, 10_000
_GROUPS, _FILTERS, _ALL = 5, 6, 18
_FILTER_KEYS = {"propertyName", "operator", "value", "values", "highValue"}
_SORT_KEYS = {"propertyName", "direction"}
_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "GT": operator.gt,
    "GTE": operator.ge,
    "LT": operator.lt,
    "LTE": operator.le,
}
Test = Callable[[Row], bool]


@routes.add(
    "POST",
    "/crm/v3/objects/contacts/search",
    body=("filterGroups", "sorts", "properties", "limit", "after"),
    scopes=READ,
    quota="search",
)
def search(crm: HubSpotAccount, request: Request) -> Response:
    """Return matching records as the index knows them."""
    if len(request.body) > _BODY:
        answers.invalid(f"The request body is longer than {_BODY} characters")
    query = request.json
    limit, after = _window(query)
    tests = _groups(crm, query.get("filterGroups") or [])
    hits = [row for row in crm.index.rows(crm.now()) if _passes(row, tests)]
    hits = _sorted(crm, hits, query.get("sorts") or [])
    page = hits[after : after + limit]
    body: dict[str, Any] = {
        "total": len(hits),
        "results": [crm.render(row, query.get("properties") or []) for row in page],
    }
    if after + limit < len(hits):
        body["paging"] = {"next": {"after": str(after + limit)}}
    return Response(200, body)


def _window(query: Mapping[str, Any]) -> tuple[int, int]:
    """Return (limit, after).

    Raises:
        Refusal: 400 beyond 200 a page or 10,000 in all.
    """
    limit, after = query.get("limit", 10), str(query.get("after") or "0")
    if not isinstance(limit, int) or not 0 <= limit <= _PAGE:
        answers.invalid(f"limit must be a whole number up to {_PAGE}")
    if not after.isdecimal():
        answers.invalid("after must be a whole number")
    if int(after) + limit > _REACH:
        answers.invalid(f"There is no paging past {_REACH} search results")
    return limit, int(after)


def _groups(crm: HubSpotAccount, groups: list[dict[str, Any]]) -> list[list[Test]]:
    filters = [item for group in groups for item in group.get("filters", [])]
    too_many = any(len(group.get("filters", [])) > _FILTERS for group in groups)
    if len(groups) > _GROUPS or too_many or len(filters) > _ALL:
        answers.invalid(f"At most {_GROUPS} groups of {_FILTERS} filters, {_ALL} in all")
    if any(set(group) - {"filters"} for group in groups):
        raise Refusal(crm.unknown("a search filter group with other keys than filters"))
    return [[_test(crm, item) for item in group.get("filters", [])] for group in groups]


def _passes(row: Row, groups: list[list[Test]]) -> bool:
    """Groups are joined by OR, the filters of a group by AND; no group lets all pass."""
    for tests in groups:
        for test in tests:
            if not test(row):
                break
        else:
            return True
    return not groups


def _test(crm: HubSpotAccount, item: dict[str, Any]) -> Test:
    name, verb = item.get("propertyName", ""), item.get("operator", "")
    if set(item) - _FILTER_KEYS or verb not in _KNOWN:
        raise Refusal(crm.unknown(f"the search filter {verb} with {', '.join(sorted(item))}"))
    if name not in crm.definitions:
        answers.invalid(f"There is no property named '{name}'")
    if verb == "HAS_PROPERTY":
        return lambda row: name in row["properties"]
    if verb == "NOT_HAS_PROPERTY":
        return lambda row: name not in row["properties"]
    key = _key(crm, name)
    return _comparison(crm, key, name, verb, item)


def _comparison(
    crm: HubSpotAccount, key: Callable[[Row], Any], name: str, verb: str, item: dict[str, Any]
) -> Test:
    if verb in {"IN", "NOT_IN"}:
        wanted = {_typed(crm, name, str(value)) for value in item.get("values", [])}
        return lambda row: (held := key(row)) is not None and (held in wanted) == (verb == "IN")
    low = _typed(crm, name, str(item.get("value", "")))
    if verb == "BETWEEN":
        high = _typed(crm, name, str(item.get("highValue", "")))
        return lambda row: (held := key(row)) is not None and low <= held <= high
    if verb in {"EQ", "NEQ"}:
        return lambda row: (key(row) == low) == (verb == "EQ")
    compare = _ORDERED[verb]
    return lambda row: (held := key(row)) is not None and compare(held, low)


_KNOWN = {*_ORDERED, "BETWEEN", "EQ", "NEQ", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY"}


def _key(crm: HubSpotAccount, name: str) -> Callable[[Row], Any]:
    """Return what reads a property of a row in comparable form; None where it is empty."""
    if name == "lastmodifieddate":
        return lambda row: row["updatedAt"]
    if name == "createdate":
        return lambda row: row["createdAt"]
    if name == "hs_object_id" and crm.search_id_order == "numeric":
        return lambda row: int(row["id"])
    if name == "hs_object_id":
        return lambda row: row["id"]

    def read(row: Row) -> Any:
        held = row["properties"].get(name)
        return None if held is None else _typed(crm, name, held, stored=True)

    return read


def _typed(crm: HubSpotAccount, name: str, text: str, *, stored: bool = False) -> Any:
    """Read a value for comparison; a filter on text is compared as given, so in lower case only.

    Raises:
        Refusal: 400 when a filter's value does not fit the property.
    """
    kind = CONTACT[name].type
    if name == "hs_object_id" and crm.search_id_order == "text":
        return text
    if kind in {"date", "datetime"}:
        value: float | None = read_time(text)
    elif kind == "number":
        value = read_number(text)
    else:
        return text.lower() if stored else text
    if value is None and not stored:
        answers.invalid(f"'{text}' is not a {kind}")
    return value


def _sorted(crm: HubSpotAccount, rows: list[Row], sorts: list[Any]) -> list[Row]:
    if len(sorts) > 1:
        answers.invalid("Only one sort is supported")
    if not sorts:
        return sorted(rows, key=lambda row: (row["createdAt"], int(row["id"])))
    sort = sorts[0]
    if not isinstance(sort, dict) or set(sort) - _SORT_KEYS or "propertyName" not in sort:
        raise Refusal(crm.unknown(f"the search sort {sort!r}"))
    if sort["propertyName"] not in crm.definitions:
        answers.invalid(f"There is no property named '{sort['propertyName']}'")
    falling = sort.get("direction") == "DESCENDING"
    if sort["propertyName"] == "hs_object_id" and crm.search_id_order == "numeric":
        return rows[::-1] if falling else rows  # the index is walked in this order
    key = _key(crm, sort["propertyName"])
    keyed = [(held, row) for row in rows if (held := key(row)) is not None]
    keyed.sort(key=operator.itemgetter(0), reverse=falling)
    return [row for _, row in keyed] + [row for row in rows if key(row) is None]
