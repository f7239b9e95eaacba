"""Tokens in the database: sealed, shared by processes, and refused with a remedy."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Event

import pytest
import sqlalchemy as sa
from tests.stalling import Stalls

from crm_steward.connect.tokens import Token, Tokens
from crm_steward.model import BusyError, ConfigError, utc_now
from crm_steward.store.database import Database
from crm_steward.store.tables import leases
from crm_steward.store.vault import KEY_FILE, DatabaseVault, TokenKey

KEY, OTHER = "k" * 32, "o" * 32
TOKEN = Token(
    "access-secret",
    datetime(2026, 3, 2, 9, tzinfo=UTC),
    refresh="refresh-secret",
    url="https://eu.example.com",
    issued_at=datetime(2026, 3, 2, 8, tzinfo=UTC),
)
OpenVault = Callable[..., DatabaseVault]

WORKER = """
import fcntl, json, os, sys
from datetime import timedelta
from pathlib import Path
from crm_steward.connect.tokens import Token, Tokens
from crm_steward.model import AuthError, utc_now
from crm_steward.store.database import Database
from crm_steward.store.vault import DatabaseVault, TokenKey

url, book, rounds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

def issue(refresh):
    with book.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        state = json.load(file)
        if (refresh or "seed") != state["in_force"]:
            state["refused"] += 1
        state["issued"] += 1
        state["in_force"] = f"refresh-{state['issued']}"
        file.seek(0), file.truncate()
        json.dump(state, file)
    expires = utc_now() + timedelta(minutes=30)
    return Token(f"access-{state['issued']}", expires, refresh=state["in_force"])

vault = DatabaseVault(lambda: Database.open(url), TokenKey("k" * 32, book), clock=utc_now)
tokens = Tokens("crm", "seed", issue, vault, utc_now)
token = tokens.current()
print(token.access, flush=True)
for _ in range(rounds):
    sys.stdin.readline()          # all processes meet the same refusal at once
    token = tokens.renew(token)
    print(token.access, flush=True)
"""


@pytest.fixture
def open_vault(database_url: str, tmp_path: Path) -> Iterator[OpenVault]:
    """Give vaults on one database."""
    made: list[DatabaseVault] = []

    def make(key: str = KEY) -> DatabaseVault:
        source = TokenKey(key, tmp_path / KEY_FILE)
        made.append(DatabaseVault(lambda: Database.open(database_url), source, clock=utc_now))
        return made[-1]

    yield make
    for vault in made:
        vault.close()


def test_a_token_comes_back_whole(open_vault: OpenVault) -> None:
    """In another process, with all its parts; what was never kept is None."""
    open_vault().save("crm/1", TOKEN)
    assert open_vault().load("crm/1") == TOKEN
    assert open_vault().load("crm/2") is None


def test_a_new_credential_ends_the_former_ones_tokens(open_vault: OpenVault) -> None:
    """Only those of the same connection."""
    vault = open_vault()
    for name in ("crm/1", "crm-b/1", "crm/2"):
        vault.save(name, TOKEN)
    assert [vault.load(name) is None for name in ("crm/1", "crm-b/1", "crm/2")] == [
        True,
        False,
        False,
    ]


def test_a_stolen_database_gives_no_token(tmp_path: Path) -> None:
    """Neither part of a token is in the file in the clear."""
    url = f"sqlite:///{tmp_path}/s.db"
    with closing(
        DatabaseVault(lambda: Database.open(url), TokenKey(KEY, tmp_path), clock=utc_now)
    ) as vault:
        vault.save("crm/1", TOKEN)
    held = (tmp_path / "s.db").read_bytes()
    assert b"secret" not in held
    assert b"eu.example.com" not in held


def test_another_key_is_refused_with_a_remedy_and_may_follow(open_vault: OpenVault) -> None:
    """Lost tokens are not silently asked for anew: a rotated one exists nowhere else."""
    open_vault().save("crm/1", TOKEN)
    with pytest.raises(ConfigError, match=r"connection 'crm'.*token_key"):
        open_vault(OTHER).load("crm/1")
    assert open_vault(f"{OTHER} {KEY}").load("crm/1") == TOKEN


def test_a_key_file_is_made_for_this_user_alone(open_vault: OpenVault, tmp_path: Path) -> None:
    """Once, whatever the umask; a second process reads it."""
    before = os.umask(0)
    try:
        open_vault("").save("crm/1", TOKEN)
    finally:
        os.umask(before)
    path = tmp_path / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_vault("").load("crm/1") == TOKEN


def test_a_key_file_that_is_being_made_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes of a new installation want it at once; one that nobody ever writes is refused."""
    file = tmp_path / KEY_FILE
    file.touch()
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.raises(ConfigError, match="openssl rand"):
        TokenKey("", file).read()
    assert pauses
    monkeypatch.setattr(time, "sleep", lambda _seconds: file.write_text(f"{KEY}\n"))
    assert TokenKey("", file).read() == [KEY]


@pytest.mark.parametrize("key", ["short", "  ", "x" * 31])
def test_a_short_key_is_refused(tmp_path: Path, key: str) -> None:
    """With the command that makes a good one."""
    (tmp_path / KEY_FILE).write_text(key)
    with pytest.raises(ConfigError, match="openssl rand"):
        TokenKey(key.strip(), tmp_path / KEY_FILE).read()


def test_a_key_file_that_cannot_be_made_names_the_place(tmp_path: Path) -> None:
    """A folder that is not there is said to be the trouble, and what may be done instead."""
    with pytest.raises(ConfigError, match="CRM_STEWARD_TOKEN_KEY"):
        TokenKey("", tmp_path / "away" / KEY_FILE).read()


def test_nothing_is_opened_before_a_token_is_asked_for(tmp_path: Path) -> None:
    """`check` of connections with static tokens makes neither database nor key."""
    vault = DatabaseVault(
        lambda: pytest.fail("opened"), TokenKey("", tmp_path / KEY_FILE), clock=utc_now
    )
    vault.close()
    assert list(tmp_path.iterdir()) == []


def test_processes_renew_once_between_them(database_url: str, tmp_path: Path) -> None:
    """Six processes meet twenty refusals together: twenty-one tokens, no refresh token used twice."""
    processes, rounds = 6, 20
    book = tmp_path / "book.json"
    book.write_text(json.dumps({"in_force": "seed", "issued": 0, "refused": 0}))
    Database.open(database_url).close()
    command = [sys.executable, "-c", WORKER, database_url, str(book), str(rounds)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(command, **pipes) for _ in range(processes)]  # type: ignore[call-overload] # the pipes are the same for all
    try:
        assert {worker.stdout.readline() for worker in workers} == {"access-1\n"}
        for number in range(2, rounds + 2):
            for worker in workers:
                worker.stdin.write("\n")
                worker.stdin.flush()
            assert {worker.stdout.readline() for worker in workers} == {f"access-{number}\n"}
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert json.loads(book.read_text()) == {
        "in_force": f"refresh-{rounds + 1}",
        "issued": rounds + 1,
        "refused": 0,
    }


def test_threads_renew_once_between_them(database_url: str, tmp_path: Path) -> None:
    """A connection's pull and its writing, in one process: no refresh token is used twice.

    The first is held up right after it took the lease; the second used to get in as well.
    """
    database = Stalls.open(database_url)
    vault = DatabaseVault(lambda: database, TokenKey(KEY, tmp_path), clock=utc_now)
    used: list[str] = []
    asked = Event()

    def issue(refresh: str) -> Token:
        used.append(refresh)
        asked.set()
        number = len(used)
        return Token(f"a{number}", utc_now() + timedelta(hours=1), refresh=f"r{number}")

    def renewed() -> str:
        return Tokens("crm", "seed", issue, vault, utc_now).current().access

    with closing(vault), ThreadPoolExecutor(1) as threads:
        assert vault.load("crm/none") is None
        second = []

        def meanwhile() -> None:
            second.append(threads.submit(renewed))
            asked.wait(1)

        database.meanwhile = meanwhile
        assert (renewed(), second[0].result(timeout=60)) == ("a1", "a1")
    assert used == [""]


def test_a_lost_lease_keeps_no_other_token_from_being_kept(
    open_vault: OpenVault, database: Database
) -> None:
    """Two connections renew, and one is overtaken: it keeps nothing more, the other its new token."""
    vault = open_vault()
    with vault.alone("crm/1"), vault.alone("crm-b/1"):
        taken = sa.update(leases).where(leases.c.name == "token crm/1")
        with database.write() as writing:
            writing.execute(taken.values(epoch=leases.c.epoch + 1, holder="there:8::"))
        with pytest.raises(BusyError, match="took over"):
            vault.save("crm/1", TOKEN)
        vault.save("crm-b/1", TOKEN)
    assert (vault.load("crm/1"), vault.load("crm-b/1")) == (None, TOKEN)


def test_the_database_is_opened_once(database_url: str, tmp_path: Path) -> None:
    """Two pulls that want their first token at the same time share it."""
    both, opened = Barrier(2), []

    def open_database() -> Database:
        try:
            both.wait(0.5)
        except BrokenBarrierError:
            """Nobody else opens it: so it should be."""
        opened.append(Database.open(database_url))
        return opened[-1]

    vault = DatabaseVault(open_database, TokenKey(KEY, tmp_path), clock=utc_now)
    with closing(vault), ThreadPoolExecutor(2) as threads:
        assert list(threads.map(vault.load, ["crm/1", "crm/2"])) == [None, None]
    assert len(opened) == 1


def test_a_process_that_died_in_there_keeps_nobody_out(
    open_vault: OpenVault, database_url: str, tmp_path: Path
) -> None:
    """Killed while it renewed: the next one may at once."""
    script = (
        "import os, sys; from crm_steward.store.database import Database; "
        "from crm_steward.store.vault import DatabaseVault, TokenKey; "
        "from crm_steward.model import utc_now; from pathlib import Path\n"
        "vault = DatabaseVault(lambda: Database.open(sys.argv[1]), TokenKey('k' * 32, Path()), "
        "clock=utc_now)\n"
        "with vault.alone('crm/1'): os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, database_url], check=False, cwd=tmp_path, timeout=60
    )
    assert done.returncode == -9
    begun = utc_now()
    with open_vault().alone("crm/1"):
        pass
    assert utc_now() - begun < timedelta(seconds=30)
