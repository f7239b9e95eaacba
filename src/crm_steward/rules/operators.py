"""What a comparison may say about a field: the operators, the values they take, their SQL."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, LiteralString

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from crm_steward.model import FIELDS, FieldType, Value
from crm_steward.normalize import country_code
from crm_steward.rules.durations import Duration
from crm_steward.rules.sql import EXTRA, Statement, comparable, filled, held, type_of

if TYPE_CHECKING:
    import duckdb

MAX_PATTERN = 1000


class Mention(str):
    """A field's name as a rule's author wrote it: the connections must hold such fields."""

    __slots__ = ()


def _known_field(value: str, info: ValidationInfo) -> str:
    custom = (info.context or {}).get("custom_fields")
    if value in FIELDS:
        return Mention(value)
    if value.startswith(EXTRA) and (custom is None or value.removeprefix(EXTRA) in custom):
        return Mention(value)
    known = (*FIELDS, *(EXTRA + name for name in sorted(custom or ())))
    raise PydanticCustomError("unknown_field", "unknown field", {"value": value, "known": known})


FieldName = Annotated[
    str,
    AfterValidator(_known_field),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": list(FIELDS)},
                {"type": "string", "pattern": r"^extra\..+"},
            ]
        }
    ),
]
"""A canonical field, or `extra.<name>` for a mapped custom field."""


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, list | dict):
        raise PydanticCustomError("want_text", "text", {"got": value})
    return value


Plain = Annotated[Value, BeforeValidator(_scalar)]
"""A single value: text, a number or a flag."""

_NO_TEXT: Mapping[FieldType, LiteralString] = {
    FieldType.FLAG: "flag_value",
    FieldType.NUMBER: "number_value",
}
"""What is compared with a flag or a number, not with text → the mistake where it is not."""


def literal(field: str, value: Any) -> Any:
    """Check a value against what `field` holds; a country becomes its code.

    Raises:
        PydanticCustomError: It does not fit.
    """
    kind = type_of(field)
    if kind is None or kind is FieldType.TIME:
        return value
    if kind in _NO_TEXT:
        flag = isinstance(value, bool)
        if flag is not (kind is FieldType.FLAG) or isinstance(value, str):
            raise PydanticCustomError(_NO_TEXT[kind], "another kind", {"field": field})
        return value
    if not isinstance(value, str):
        written = str(value).lower() if isinstance(value, bool) else value
        raise PydanticCustomError("quote_it", "quotes", {"field": field, "value": written})
    choices = FIELDS[field].choices
    if choices and value not in choices:
        raise PydanticCustomError("one_of", "choice", {"value": value, "expected": choices})
    if kind is FieldType.COUNTRY:
        code = country_code(value)
        if code is None:
            raise PydanticCustomError("country", "country", {"value": value})
        return code
    return value


def _literal(value: Any, info: ValidationInfo) -> Any:
    field = info.data.get("field")
    return value if field is None else literal(field, value)


Scalar = Annotated[
    Any,
    BeforeValidator(_scalar),
    AfterValidator(_literal),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
"""A value a field is compared with: text, or a number or flag where the field may hold one."""


def _date(text: str) -> date:
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise PydanticCustomError("date", "not a date", {"value": text}) from None


CheckedDate = Annotated[
    date,
    BeforeValidator(lambda value: _date(value) if isinstance(value, str) else _want_text(value)),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-01-31"]}),
]


def _want_text(value: Any) -> Any:
    raise PydanticCustomError("want_text", "text", {"got": value})


@cache
def _judge() -> duckdb.DuckDBPyConnection:
    """Return an empty DuckDB that says whether RE2 takes a pattern."""
    import duckdb  # noqa: PLC0415 -- a service at rest holds none of it

    return duckdb.connect(":memory:", config={"threads": 1})


def _pattern(text: str) -> str:
    import duckdb  # noqa: PLC0415 -- a service at rest holds none of it

    try:
        _judge().execute("SELECT regexp_matches('', $pattern)", {"pattern": text})
    except duckdb.Error as error:
        reason = str(error).partition(": ")[2] or str(error)
        raise PydanticCustomError("regex", "bad pattern", {"reason": reason}) from None
    return text


Pattern = Annotated[str, Field(min_length=1, max_length=MAX_PATTERN), AfterValidator(_pattern)]
"""A regular expression in RE2's syntax, so that none can run away."""

_FREE_TEXT = frozenset({FieldType.TEXT, FieldType.EMAIL, FieldType.PHONE, FieldType.URL})
_DATED = frozenset({"older_than", "newer_than", "before", "after"})
_NUMERIC = frozenset({"less_than", "greater_than"})
_PART_OF_TEXT = frozenset({"contains", "starts_with", "ends_with", "matches"})


def holds_text(field: str) -> bool:
    """Whether `field` holds text in which anything may stand; a custom field may."""
    kind = type_of(field)
    return kind is None or kind in _FREE_TEXT


def fits(field: str, operator: str) -> None:
    """Check that `operator` makes sense for what `field` holds.

    Args:
        field: A known field.
        operator: `equals`, `in`, …

    Raises:
        PydanticCustomError: It does not.
    """
    kind = type_of(field)
    about = {"field": field, "operator": operator}
    if kind is None or operator == "is":
        return
    if kind is FieldType.TIME:
        if operator not in _DATED:
            raise PydanticCustomError("date_compared", "a date", about)
    elif operator in _DATED:
        raise PydanticCustomError("not_date_field", "no date", about)
    elif operator in _NUMERIC and kind is not FieldType.NUMBER:
        raise PydanticCustomError("not_number_field", "no number", about)
    elif operator in _PART_OF_TEXT and kind not in _FREE_TEXT:
        raise PydanticCustomError("not_text_field", "no text", about)


def compiled(field: str, operator: str, value: Any, statement: Statement) -> str:
    """Return SQL that is true or false (never unknown) for `field operator value`."""
    if operator == "is":
        sql = filled(field, statement)
        return sql if value == "set" else f"(NOT {sql})"
    if operator in {"not_equals", "not_in"}:
        return f"(NOT {compiled(field, operator.removeprefix('not_'), value, statement)})"
    return f"coalesce({_BUILDERS[operator](field, value, statement)}, false)"


def _equals(field: str, value: Any, statement: Statement) -> str:
    if type_of(field) is FieldType.COUNTRY:
        return f"country_code = {statement.bind(value)}"
    expression = held(field, statement)
    if type_of(field) in _NO_TEXT or type_of(field) is FieldType.CHOICE:
        return f"{expression} = {statement.bind(value)}"
    if isinstance(value, bool):
        return f"lower({expression}) = {statement.bind(str(value).lower())}"
    if isinstance(value, int | float):
        return f"try_cast({expression} AS DOUBLE) = {statement.bind(float(value))}"
    return f"{comparable(expression)} = {comparable(statement.bind(value) + '::VARCHAR')}"


def _in(field: str, value: Sequence[Any], statement: Statement) -> str:
    return "(" + " OR ".join(_equals(field, item, statement) for item in value) + ")"


def _part(function: str) -> Callable[[str, Any, Statement], str]:
    def build(field: str, value: Any, statement: Statement) -> str:
        # The spaces around what is looked for are part of it.
        part = f"lower(nfc_normalize({statement.bind(value)}::VARCHAR))"
        return f"{function}({comparable(held(field, statement))}, {part})"

    return build


def _matches(field: str, value: Any, statement: Statement) -> str:
    pattern = statement.bind(unicodedata.normalize("NFC", value))
    return f"regexp_matches(nfc_normalize({held(field, statement)}), {pattern})"


def _number(sign: str) -> Callable[[str, Any, Statement], str]:
    def build(field: str, value: Any, statement: Statement) -> str:
        number = f"try_cast({held(field, statement)} AS DOUBLE)"
        # The text "nan" in a custom field is no number, and to DuckDB more than any.
        return f"(isfinite({number}) AND {number} {sign} {statement.bind(float(value))})"

    return build


def moment(field: str, statement: Statement) -> str:
    """Return SQL for the time that `field` holds, in naive UTC; NULL when it holds none."""
    expression = held(field, statement)
    if type_of(field) is FieldType.TIME:
        return expression
    # With its offset; text without one is UTC, as the relation's time zone is.
    return f"(try_cast({expression} AS TIMESTAMPTZ) AT TIME ZONE 'UTC')"


def _age(sign: str) -> Callable[[str, Any, Statement], str]:
    def build(field: str, value: Duration, statement: Statement) -> str:
        limit = statement.bind_time(value.before(statement.now))
        return f"{moment(field, statement)} {sign} {limit}"

    return build


def _day(sign: str) -> Callable[[str, Any, Statement], str]:
    def build(field: str, value: date, statement: Statement) -> str:
        time = moment(field, statement)
        day = statement.bind_time(datetime(value.year, value.month, value.day, tzinfo=UTC))
        begins = statement.bind_time(statement.midnight(value))
        # CRMs hand over a day without a time as midnight UTC: it is that day wherever we are.
        bare = f"{time} = date_trunc('day', {time})"
        return f"(CASE WHEN {bare} THEN {time} {sign} {day} ELSE {time} {sign} {begins} END)"

    return build


_BUILDERS: Mapping[str, Callable[[str, Any, Statement], str]] = {
    "equals": _equals,
    "in": _in,
    "contains": _part("contains"),
    "starts_with": _part("starts_with"),
    "ends_with": _part("ends_with"),
    "matches": _matches,
    "less_than": _number("<"),
    "greater_than": _number(">"),
    "older_than": _age("<"),
    "newer_than": _age(">="),
    "before": _day("<"),
    "after": _day(">="),
}
