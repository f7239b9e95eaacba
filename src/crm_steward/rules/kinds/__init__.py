"""The check kinds, one module each. A module placed in this folder is a kind: nothing else to do."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Annotated, Any, Union, get_args

from pydantic import Field

from crm_steward.rules.kinds.base import Check, Hit, LeftOut, RowCheck, Scope, SqlCheck
from crm_steward.rules.steps import Step

__all__ = ["KINDS", "AnyCheck", "Check", "Hit", "LeftOut", "RowCheck", "Scope", "SqlCheck", "Step"]


def _kinds() -> dict[str, type[Check]]:
    found: dict[str, type[Check]] = {}
    for module in iter_modules(__path__):
        if module.name == "base":
            continue
        for item in vars(import_module(f"{__name__}.{module.name}")).values():
            if isinstance(item, type) and issubclass(item, Check):
                found |= dict.fromkeys(get_args(item.model_fields["kind"].annotation), item)
    return found


KINDS = MappingProxyType(_kinds())
"""Name as written in rules → its class."""

AnyCheck: Any = Annotated[Union[tuple(KINDS.values())], Field(discriminator="kind")]  # noqa: UP007 -- made of what the folder holds
