"""The names of countries and languages that are kept in files are those of Unicode CLDR."""

from __future__ import annotations

from importlib.resources import files

import pytest

from crm_steward.normalize.cldr import FILES, written


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_what_babel_knows(name: str) -> None:
    """Where a new babel brings a new CLDR, they are to be written anew: see the module."""
    kept = (files("crm_steward.normalize") / f"{name}.txt").read_text("ascii")

    assert kept == written(FILES[name]())
