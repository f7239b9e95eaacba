"""Blocks of settings and rules whose attributes explain themselves, and are read when asked.

pydantic takes docstrings of attributes for descriptions by itself (`use_attribute_docstrings`), but
reads and tokenizes the source of every class while it is made: a third of what a command took to
start went there, and only schemas and references show the descriptions.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


class Documented(BaseModel):
    """A block whose JSON schema describes each attribute by the docstring that follows it."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        said = {
            info.alias or name: text
            for name, info in cls.model_fields.items()
            if (text := description(cls, name))
        }
        for properties in _properties(handler.resolve_ref_schema(schema)):
            for key in properties.keys() & said.keys():
                properties[key]["description"] = said[key]
        return schema


def description(model: type[BaseModel], name: str) -> str:
    """Return what an attribute of a block is for; empty where nothing is said."""
    return model.model_fields[name].description or _docstring(model, name)


def _properties(schema: JsonSchemaValue) -> Iterator[dict[str, Any]]:
    """Yield the properties of a block; one that can be written as a text too is an alternative."""
    for part in (schema, *schema.get("anyOf", ())):
        if "properties" in part:
            yield part["properties"]


def _docstring(model: type[BaseModel], name: str) -> str:
    owner = next(base for base in model.__mro__ if name in inspect.get_annotations(base))
    return _in_module(owner.__module__).get(owner.__qualname__, {}).get(name, "")


@cache
def _in_module(name: str) -> Mapping[str, Mapping[str, str]]:
    """Map the classes of a module to the docstrings of their attributes."""
    try:
        source = inspect.getsource(sys.modules[name])
    except (OSError, TypeError):  # delivered without its source: nothing can be read
        return {}
    return dict(_classes(ast.parse(source), ""))


def _classes(part: ast.AST, path: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    for node in ast.iter_child_nodes(part):
        if isinstance(node, ast.ClassDef):
            own = f"{path}{node.name}"
            yield own, dict(_attributes(node))
            yield from _classes(node, f"{own}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _classes(node, f"{path}{node.name}.<locals>.")
        else:
            yield from _classes(node, path)


def _attributes(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for attribute, text in pairwise(node.body):
        match attribute, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                yield name, inspect.cleandoc(said)
            case _:
                continue
