"""What another process meets that wants to write on a SQLite file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_WRITE = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    held.execute("BEGIN IMMEDIATE")
    held.execute("ROLLBACK")
except sqlite3.OperationalError as error:
    print(error)
else:
    print("written")
"""


def writing_elsewhere(path: Path) -> str:
    """Return what SQLite says to another process that takes the write lock; `written` where it may."""
    command = [sys.executable, "-c", _WRITE, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()
