"""A pipe that breaks: somebody who has seen enough, or an error of what nobody looks at."""

from __future__ import annotations

import sys

import pytest

from crm_steward.cli.exits import Exit
from crm_steward.cli.failures import ending


def test_a_pipe_that_breaks_in_the_service_is_no_end_in_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever restarts it after a failure must see one, and a line says what to report."""
    with pytest.raises(SystemExit) as ended, ending(shown=False):
        raise BrokenPipeError
    assert ended.value.code == Exit.BUG
    assert "unexpected error: BrokenPipeError" in capsys.readouterr().err


def test_an_error_that_nobody_can_read_is_one_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader of the log has gone: the exit code is the one that says a bug."""

    class Gone:
        def write(self, _text: str) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    with pytest.raises(SystemExit) as ended, ending(shown=False):
        raise ValueError
    assert ended.value.code == Exit.BUG
