"""A mail server without a network: what it took, it took, whatever becomes of the answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

_OK, _GO_AHEAD = 250, 354


class Postbox:
    """Stands for the mail server, and for the mailbox behind it.

    Args:
        step: Called before a mail is taken and after.

    Attributes:
        taken: The week of each mail that arrived, in order.
        loses: Whether the next answer to a mail gets lost.
        doubted: The weeks whose report may have arrived without our knowing.
    """

    present: ClassVar[Postbox]
    """The one that is reached now."""

    def __init__(self, step: Callable[[], None]) -> None:
        Postbox.present = self
        self.step = step
        self.taken: list[str] = []
        self.loses = False
        self.doubted: set[str] = set()
        self.sock: Any = None

    def mail(self, _sender: str) -> tuple[int, bytes]:
        """Take the sender."""
        return _OK, b""

    def rcpt(self, _recipient: str) -> tuple[int, bytes]:
        """Take the recipient."""
        return _OK, b""

    def docmd(self, _command: str) -> tuple[int, bytes]:
        """Let the content come."""
        return _GO_AHEAD, b""

    def send(self, content: bytes) -> None:
        """Take a mail."""
        self.step()
        week = re.search(rb"\d{4}-W\d{2}", content)
        if week is None:
            raise ValueError(content)
        self.taken.append(week.group().decode())
        self.step()

    def getreply(self) -> tuple[int, bytes]:
        """Answer, or not."""
        if self.loses:
            self.loses = False
            raise ConnectionResetError
        return _OK, b""

    def quit(self) -> tuple[int, bytes]:
        """End the session."""
        return _OK, b""

    def close(self) -> None:
        """End the session, too."""
