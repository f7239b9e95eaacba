"""The exit codes in the documentation are those of the program."""

from __future__ import annotations

import re
from pathlib import Path

from crm_steward.cli import exits
from crm_steward.cli.exits import Exit
from crm_steward.cli.manual import meanings
from crm_steward.model import StewardError

ROOT = Path(__file__).parents[2]


def _documented() -> list[tuple[int, str, str]]:
    text = (ROOT / "docs" / "exit-codes.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (.*?) \|", text, re.MULTILINE)
    return [(int(code), name, meaning) for code, name, meaning in rows]


def _in_the_source() -> list[tuple[int, str, str]]:
    return [(code.value, code.name, said) for code, said in meanings()]


def test_the_documentation_lists_every_code_in_order_of_gravity() -> None:
    """Codes, names and meanings are the same, in the order in which they win."""
    assert _documented() == _in_the_source()
    assert len(_documented()) == len(Exit)


def test_every_error_has_a_code_of_its_own_kind() -> None:
    """No error of ours ends as a bug or with the code of a wrong command line."""
    for error in StewardError.__subclasses__():
        made = error.__new__(error)
        assert exits.exit_for(made) not in {Exit.BUG, Exit.USAGE, Exit.OK}


def test_the_gravest_code_wins() -> None:
    """Of several failures the one that needs a person first decides."""
    kinds = {error.__name__: error.__new__(error) for error in StewardError.__subclasses__()}

    assert exits.gravest([kinds["RetryableError"], kinds["AuthError"]]) is Exit.AUTH
    assert exits.gravest([kinds["MailError"], kinds["StoreError"]]) is Exit.STORE
    assert exits.gravest([]) is Exit.OK
