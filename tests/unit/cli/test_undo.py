"""Undo on a terminal: lifting suppressions is asked once more, with what the law says of it."""

from __future__ import annotations

import io

import pytest

from crm_steward.cli.undo import _agreed
from crm_steward.writing import Loosening

WORD = Loosening(count=3, reason="the rule was wrong", by="eva")


class Terminal(io.StringIO):
    """A person at a keyboard."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "agreed"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_person_is_asked_and_shown_the_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, agreed: bool
) -> None:
    """Only a yes is one; the number and the articles are named, in French here."""
    monkeypatch.setattr("sys.stdin", Terminal(typed))

    assert _agreed(WORD, "fr") is agreed

    shown = " ".join(capsys.readouterr().out.split())
    assert "Lever 3 oppositions ?" in shown
    assert "RGPD art. 21(2)-(3)" in shown


def test_without_a_terminal_the_options_are_the_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script has given the number and the reason already."""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    assert _agreed(WORD, "en")
