"""Signing: what keys depend on besides the contacts; keys of another version are of no use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Final

_MADE_BY: Final = ("rows.py", "blocking.py", "given_names.py", "given_names.txt", "providers.py")
"""What of this folder makes the keys."""


def signature(*parts: Iterable[str]) -> str:
    """Return what changes whenever keys or pairs that were kept are of no use any more.

    Args:
        parts: What they depend on besides this program and its database engine, whose hash
            function may change with each version.
    """
    digest = hashlib.sha256(repr((version("duckdb"), [list(part) for part in parts])).encode())
    for name in _MADE_BY:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()[:16]
