"""How a message goes through a pipe: its length first, so that its reader sees whether it is whole.

Of the standard library alone: a process reads its errand before it loads anything else.
"""

from __future__ import annotations

import os

_PREFIX = 8
"""Bytes that say how long the message is."""


def framed(content: bytes) -> bytes:
    """Return what goes through the pipe."""
    return len(content).to_bytes(_PREFIX, "big") + content


def unframed(said: bytes) -> bytes | None:
    """Return what was sent, from all that came; None when it is not whole."""
    content = said[_PREFIX:]
    whole = len(said) >= _PREFIX and len(content) == int.from_bytes(said[:_PREFIX], "big")
    return content if whole else None


def received(descriptor: int) -> bytes:
    """Read one message from a pipe, and not a byte beyond it.

    Raises:
        EOFError: It is not whole.
    """
    return _exactly(descriptor, int.from_bytes(_exactly(descriptor, _PREFIX), "big"))


def _exactly(descriptor: int, length: int) -> bytes:
    parts: list[bytes] = []
    while length:
        part = os.read(descriptor, length)
        if not part:
            raise EOFError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
