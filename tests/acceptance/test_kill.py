"""kill -9, over and over, of the real program: nothing is lost, doubled, half written or untold.

After the last kill the program is left alone, and its clock is moved past every wait, until all
that was approved is done.

The moments are random, drawn from a seed that is printed; STEWARD_KILL_SEED repeats the draws, not
the scheduling of the machine. `make test-whole` asks for 200 rounds, `make soak` for 1,000.
"""

from __future__ import annotations

import os
import random
import re
import secrets
from collections import Counter
from pathlib import Path

import pytest
from tests.acceptance.deadly import KINDS, Deadly
from tests.acceptance.killing import KilledOffice, Ledger
from tests.program import Program
from tests.whole import some

from crm_steward.store.journal import State

ROUNDS = int(os.environ.get("STEWARD_KILL_ROUNDS", some(200, 48)))
"""Processes killed, over all databases and CRMs together."""
SEED = int(os.environ.get("STEWARD_KILL_SEED", "0")) or secrets.randbits(32)
_LEFT = re.compile(r"\.part$|\.restoring|\.tmp$|-wal$|-shm$")


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_and_nothing_is_doubled(
    database_url: str, tmp_path: Path, program: Program, kind: str
) -> None:
    """Each approved change takes effect once, as the journal says; database and journal stay whole."""
    rounds, seed = ROUNDS // 4, f"{SEED}-{kind}-{database_url[:6]}"
    print(f"STEWARD_KILL_SEED={SEED}")  # noqa: T201 -- pytest shows it when it fails
    server = Deadly(KINDS[kind].make(5 * rounds + 60, 3), KINDS[kind])
    rng = random.Random(seed)  # noqa: S311 -- repeatable draws, not secrets
    server.start()
    try:
        office = KilledOffice(tmp_path, database_url, kind, server, rng, program)
        office.write()
        for command in ("pull", "scan", "plan"):
            office.well(command)
        office.prove()
        office.go_wrong()
        while office.kills.total() < rounds:
            office.round()
            assert office.ended.total() < 3 * rounds + 20, (office.kills, office.ended)
        office.finish()
    finally:
        server.stop()
    assert server.crashes == []
    _, lines = office.look()
    said = Ledger.of(lines)
    counts = f"killed {dict(office.kills)}, ended {dict(office.ended)}, {len(lines)} lines"
    states = dict(Counter(f"{line.rule} {line.state}" for line in lines))
    print(f"{counts} {states}, set aside {len(office.set_aside())}")  # noqa: T201 -- the same

    # What the journal says and what the CRM did are the same, each of it once.
    assert server.idle == [], "written twice"
    assert server.values == said.values
    made = Counter(
        marker for text in server.made.elements() for marker in said.made if marker in text
    )
    assert made == said.made
    assert sum(server.made.values()) == made.total(), "a task that the journal does not know"
    assert set(made.values()) <= {1}, "a task was made twice"
    assert server.closed == said.closed
    assert said.early(server) == [], "done, and said to be absent meanwhile"
    # What was approved is done, each of it once; nothing is left under way or set aside.
    assert office.approved
    verified = Counter(line.key for line in lines if line.state is State.VERIFIED)
    assert office.approved.keys() - verified.keys() == set(), "approved and lost"
    assert set(verified.values()) == {1}
    assert office.set_aside() == set()
    taken_back = Counter(
        line.undoes for line in lines if line.state is State.VERIFIED and line.undoes
    )
    assert set(taken_back.values()) <= {1}
    assert [path.name for path in tmp_path.iterdir() if _LEFT.search(path.name)] == []
    done = office.calls("journal", "verify")
    assert done.returncode == 0, done.stdout
