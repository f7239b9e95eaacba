"""The command line: arguments in, one verb called, an exit code out."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Load the commands and run the one that is asked for.

    The service hears signals before anything else is loaded: it may be asked to end at any moment.
    """
    if sys.argv[1:2] == ["run"]:
        from crm_steward.daemon.signals import listen

        listen()
    try:
        from crm_steward.cli.app import main as begin
    except KeyboardInterrupt:
        sys.exit(130)  # as `Exit.INTERRUPTED`, which is not loaded yet
    begin()
