"""The command line: arguments in, one verb called, an exit code out."""

from __future__ import annotations

from crm_steward.cli.app import main

__all__ = ["main"]
