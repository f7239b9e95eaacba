"""A pipe that breaks: somebody who has seen enough, or an error of what nobody looks at."""

from __future__ import annotations

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
