"""The one place where an error becomes a line on the terminal and an exit code."""

from __future__ import annotations

import platform
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from crm_steward import __version__
from crm_steward.cli.exits import Exit, exit_for
from crm_steward.model import ConfigError, StewardError


@contextmanager
def ending(*, shown: bool = True) -> Iterator[None]:
    """Turn what is raised inside into a message on stderr and an exit code.

    Args:
        shown: Whether it prints for somebody, who may have seen enough and closed the pipe: that is
            no error. Elsewhere a pipe that breaks is one.
    """
    try:
        yield
    except StewardError as error:
        say(error)
        sys.exit(exit_for(error))
    except KeyboardInterrupt:
        print("crm-steward: stopped; nothing is half written.", file=sys.stderr)  # noqa: T201 -- same
        sys.exit(Exit.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 -- the last stop before the terminal
        if shown and isinstance(error, BrokenPipeError):
            sys.stderr.close()
            sys.exit(Exit.OK)
        with suppress(BrokenPipeError):  # nobody reads; the code says it all the same
            print(_report(error), file=sys.stderr)  # noqa: T201 -- same
        sys.exit(Exit.BUG)


def say(error: StewardError, *, about: str = "") -> None:
    """Print what is wrong and what to do, in one line, on stderr."""
    line = _one_line(error)
    place = f"{about}: " if about and not line.startswith(f"{about}: ") else ""
    print(f"crm-steward: {place}{line}", file=sys.stderr)  # noqa: T201 -- the terminal is where it goes


def _one_line(error: StewardError) -> str:
    if isinstance(error, ConfigError) and len(error.problems) > 1:
        return f"{len(error.problems)} problems:\n" + "\n".join(f"  {p}" for p in error.problems)
    return str(error)


def _report(error: Exception) -> str:
    """Describe a bug without values: messages of foreign errors may hold personal data."""
    frames = traceback.extract_tb(error.__traceback__)
    where = "\n".join(f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    return (
        f"crm-steward: unexpected error: {type(error).__name__}\n"
        "Please report it with these lines (they hold no data of yours):\n"
        f"  crm-steward {__version__}, Python {platform.python_version()}, {platform.system()}\n"
        f"{where}"
    )
