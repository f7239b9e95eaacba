"""Trimming: memory that was freed goes back to the system, which the C library would keep."""

from __future__ import annotations

import ctypes


def trim() -> None:
    """Give back what lies free between what is still used; glibc alone does not do so by itself.

    Source: malloc_trim(3). Other C libraries have no such call.
    """
    call = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if call is not None:
        call(0)
