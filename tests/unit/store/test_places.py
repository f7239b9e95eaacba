"""Temporary places: gone whatever ends their user, and nobody else's is touched."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from crm_steward.store.places import temporary_place

HOLDS = """
import sys
from crm_steward.store.places import temporary_place
with temporary_place() as place:
    (place / "steward.db").write_text("personal")
    print(place, flush=True)
    sys.stdin.read()
"""
"""Python that holds a place until its standard input ends."""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let temporary files be made in a folder of the test, here and in processes that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def holding() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Give a process that holds a place, and the place."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdout
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_it_is_ours_alone_and_gone_at_the_end(temporary: Path) -> None:
    """Also when what is done there fails."""
    with temporary_place() as place:
        assert place.parent == temporary
        assert place.stat().st_mode & 0o777 == 0o700
        (place / "folder").mkdir()
        (place / "folder" / "steward.db").touch()
    assert not place.exists()
    with pytest.raises(ValueError, match="damaged"), temporary_place() as place:
        raise ValueError("damaged")
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_place() -> None:
    """As long as somebody holds it, it stays, in another process and in this one."""
    with holding() as (process, place), temporary_place() as mine:
        with temporary_place():
            assert (place / "steward.db").exists()
            assert mine.exists()
        process.kill()
        process.wait()
        assert (place / "steward.db").exists()
        with temporary_place():
            assert not place.exists()
            assert mine.exists()


@pytest.mark.parametrize(
    "name",
    ["crm-steward-passing-", "crm-steward-passing-notes", "crm-steward-0123abcd", "a12345678"],
)
def test_what_somebody_else_made_stays(temporary: Path, name: str) -> None:
    """Folders that are named almost alike; files and links that are named so."""
    (temporary / name).mkdir()
    (temporary / name / "kept").touch()
    (temporary / "crm-steward-passing-0123abcd").symlink_to(temporary / name)
    (temporary / "crm-steward-passing-abcd0123").touch()
    before = sorted(temporary.rglob("*"))
    with temporary_place():
        pass
    assert sorted(temporary.rglob("*")) == before


def test_places_made_at_once_are_not_taken_for_left_behind(temporary: Path) -> None:
    """One that is made is not held yet in its first moment: its maker looks whether it is still there."""

    def use(number: int) -> bool:
        for _ in range(100):
            with temporary_place() as place:
                (place / "mine").write_text(str(number))
                if (place / "mine").read_text() != str(number):
                    return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(use, range(6)))
    assert list(temporary.iterdir()) == []
