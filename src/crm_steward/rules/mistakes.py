"""Turns what pydantic objects to into sentences that point at the right place of the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from crm_steward.model import Problem
from crm_steward.rules.kinds import KINDS
from crm_steward.rules.messages import SENTENCES, quoted, say, shown, suggestion
from crm_steward.rules.reading import Loc, Node, Place

_WANTED = {
    "string_type": "want_text",
    "int_type": "want_whole",
    "float_type": "want_number",
    "finite_number": "want_number",
    "bool_type": "want_flag",
    "tuple_type": "want_list",
    "list_type": "want_list",
    "model_type": "want_mapping",
    "model_attributes_type": "want_mapping",
    "dict_type": "want_mapping",
}
_BOUNDS = {
    "greater_than_equal": ("at_least", "ge"),
    "less_than_equal": ("at_most", "le"),
    "greater_than": ("above", "gt"),
    "too_short": ("too_short", "min_length"),
    "string_too_short": ("too_short", "min_length"),
    "too_long": ("too_long", "max_length"),
    "string_too_long": ("too_long", "max_length"),
}
_KEY = "[key]"
"""How pydantic says that it means a key of a mapping, not the value there."""
_AT_KEY = frozenset({"extra_forbidden", "operators_many"})


def problems_of(
    error: ValidationError, model: type[BaseModel], root: Node, path: Path, language: str
) -> Iterator[tuple[Place, Problem, Any]]:
    """Yield one problem per mistake, each with its place and the value it is about.

    Args:
        error: What validation raised.
        model: What the file should have been.
        root: The file, with positions.
        path: The file's name as the author knows it.
        language: Of the sentences.
    """
    for detail in error.errors(include_url=False):
        kind, context = detail["type"], detail.get("ctx", {})
        loc: Loc = detail["loc"] + tuple(context.get("at", ()))
        if kind == "union_tag_invalid" and "tag" in context:
            loc = (*loc, "kind")
        node, key_place = root.walk(loc)
        if _echo(kind, context, node):
            continue
        place = key_place if kind in _AT_KEY or loc[-1:] == (_KEY,) else node.place
        where = f"{path}:{place[0]}:{place[1]}"
        message = _sentence(detail, model, node, language)
        yield place, Problem(message, where=where, rule=rule_id(root, loc)), node.value


def _echo(kind: str, context: Mapping[str, Any], node: Node) -> bool:
    """Whether it only repeats what is said elsewhere.

    An optional part says `None` was possible too; a list whose items are wrong counts as short.
    """
    if kind == "too_short" and len(node.children) >= context["min_length"]:
        return True
    return kind == "none_required"


def rule_id(root: Node, loc: Sequence[str | int]) -> str:
    """Return the id of the rule that `loc` lies in, or nothing when it has none."""
    match loc:
        case ["rules", int(place), *_]:
            node = root.children["rules"].children.get(place)
            written = node.value.get("id") if node and isinstance(node.value, dict) else None
            return shown(written) if isinstance(written, str) else ""
        case _:
            return ""


def _sentence(detail: ErrorDetails, model: type[BaseModel], node: Node, language: str) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        key = str(detail["loc"][-1])
        known = _keys(_types_at(model, detail["loc"][:-1]))
        return say("unknown_key", language, key=key) + suggestion(key, known, language)
    if kind == "missing":
        return say("missing", language, key=detail["loc"][-1])
    if kind.startswith("union_tag"):
        return _wrong_tag(detail, language)
    if kind == "literal_error":
        return _not_one_of(detail, model, node, language)
    return _plain(kind, context, detail, node, language)


def _plain(
    kind: str, context: dict[str, Any], detail: ErrorDetails, node: Node, language: str
) -> str:
    if kind in _WANTED or kind.startswith("want_"):
        found = say("found", language, value=quoted(node.value))
        sentence, _ = SENTENCES[_WANTED.get(kind, kind)], None
        return (sentence[1] if language == "fr" else sentence[0]).format(found=found)
    if kind in _BOUNDS:
        code, name = _BOUNDS[kind]
        return say(code, language, limit=f"{context[name]:.15g}")
    if kind in SENTENCES:
        known = context.get("known") or context.get("expected") or ()
        hint = suggestion(str(context["value"]), known, language) if "value" in context else ""
        return say(kind, language, **context) + hint
    return say("invalid", language, reason=detail["msg"])


def _wrong_tag(detail: ErrorDetails, language: str) -> str:
    """Explain a check without a known kind, or a condition of no known shape."""
    context = detail.get("ctx", {})
    if "kind" not in str(context.get("discriminator", "")):
        return say("condition_shape", language)
    if detail["type"] == "union_tag_not_found":
        return say("kind_missing", language, expected=tuple(KINDS))
    tag = str(context.get("tag", ""))
    return say("unknown_kind", language, value=tag) + suggestion(tag, KINDS, language)


def _not_one_of(detail: ErrorDetails, model: type[BaseModel], node: Node, language: str) -> str:
    loc = detail["loc"]
    types, value = _types_at(model, loc), node.value
    if loc[-1:] == (_KEY,):
        types = [get_args(one)[0] for one in _types_at(model, loc[:-2]) if get_origin(one) is dict]
        value = loc[-2]
    literals = [one for one in types if get_origin(one) is Literal]
    shown = [quoted(one).strip("'") for literal in literals for one in get_args(literal)]
    message = say("one_of", language, value=quoted(value).strip("'"), expected=shown)
    return message + suggestion(str(value), shown, language)


def _types_at(model: type[BaseModel], loc: Sequence[str | int]) -> list[Any]:
    types: list[Any] = [model]
    for part in loc:
        # Pydantic's label of a union's member, such as literal['a','b'], leads nowhere.
        types = [inner for type_ in types for inner in _step(type_, part)] or types
    return types


def _step(type_: Any, part: str | int) -> list[Any]:
    """Return what `part` of an error's location leads to from `type_`."""
    if isinstance(type_, type) and issubclass(type_, BaseModel):
        return [
            inner
            for name, info in type_.model_fields.items()
            if part == (info.alias or name)
            for inner in _alternatives(info.annotation)
        ] or ([type_] if part == _tag(type_) else [])
    if get_origin(type_) is Annotated:
        bare, *metadata = get_args(type_)
        tags = [item.tag for item in metadata if isinstance(item, Tag)]
        return _alternatives(bare) if part in tags else _step(bare, part) if not tags else []
    if get_origin(type_) is tuple and isinstance(part, int):
        return _alternatives(get_args(type_)[0])
    if get_origin(type_) is dict:
        return _alternatives(get_args(type_)[1])
    return []


def _tag(model: type[BaseModel]) -> str | None:
    """Return the value of `kind` that selects `model` in a union, if it has one."""
    kind = model.model_fields.get("kind")
    return str(get_args(kind.annotation)[0]) if kind and get_args(kind.annotation) else None


def _alternatives(annotation: Any) -> list[Any]:
    """Return the members of a union, the type itself otherwise; tagged members keep their tag."""
    if get_origin(annotation) is Annotated:
        bare, *metadata = get_args(annotation)
        if any(isinstance(item, Tag) for item in metadata):
            return [annotation]
        return _alternatives(bare)
    if get_origin(annotation) in {tuple, dict, Literal} or not get_args(annotation):
        return [annotation]
    return [inner for member in get_args(annotation) for inner in _alternatives(member)]


def _keys(types: Sequence[Any]) -> list[str]:
    return [
        info.alias or name
        for type_ in types
        if isinstance(type_, type) and issubclass(type_, BaseModel)
        for name, info in type_.model_fields.items()
    ]
