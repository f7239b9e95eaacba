"""Salesforce's library, without the two parts of it that nobody here uses.

`simple_salesforce.api` loads its logins (jwt, cryptography) and its metadata API (zeep, lxml) along
with itself: 14 MB for as long as the service rests. We log in by ourselves (`login`), and read no
metadata. Both are loaded when they are first called: nothing of the library is missing, whoever
asks for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any

_PACKAGE = "simple_salesforce"
_LATER: Mapping[str, str] = MappingProxyType(
    {f"{_PACKAGE}.login": "SalesforceLogin", f"{_PACKAGE}.metadata": "SfdcMetadataApi"}
)
"""Module → what of it the library calls."""


class _Later(ModuleType):
    """Stands for a module until somebody wants more of it than to call the one thing later."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == _LATER[self.__name__]:
            return _called_later(self.__name__, name)
        return getattr(_real(self), name)


def _called_later(module: str, name: str) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        return getattr(import_module(module), name)(*given, **named)

    return call


def _real(stand_in: ModuleType) -> ModuleType:
    """Load what a module stands for; another version of the library may want other things of it."""
    if sys.modules.get(stand_in.__name__) is stand_in:
        del sys.modules[stand_in.__name__]
    return import_module(stand_in.__name__)


@contextmanager
def _without() -> Iterator[None]:
    """Let the library be loaded without those parts, unless somebody has loaded them already."""
    stand_ins = [_Later(name) for name in _LATER if name not in sys.modules]
    sys.modules.update({one.__name__: one for one in stand_ins})
    try:
        yield
    finally:
        for one in stand_ins:
            if sys.modules.get(one.__name__) is one:
                del sys.modules[one.__name__]


with _without():
    from simple_salesforce.api import Salesforce
    from simple_salesforce.exceptions import SalesforceError

__all__ = ["Salesforce", "SalesforceError"]
