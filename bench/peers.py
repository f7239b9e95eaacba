"""Finding duplicates, side by side with Splink, dedupe, recordlinkage and plain equality of keys.

    python bench/peers.py [COUNT | CONTACTS.parquet]… [--world default|held-out] [--peers PYTHON]
        [--only ours,splink] [--threads 2] [--at-most SECONDS]

COUNT is as many contacts of the world; CONTACTS.parquet is a file that bench/population.py wrote:
connection, id, person (the truth) and the key columns. Peers run in an interpreter of their own,
where the project's environment need not know them:

    python -m venv .venv-peers
    .venv-peers/bin/pip install . 'splink>=5,<6' 'dedupe>=3,<4' 'recordlinkage>=0.16' 'BTrees<6' scikit-learn

Every engine runs in a process of its own, so that its peak memory is its own, and is stopped after
`--at-most`. The clock starts when the contacts are in memory and stops at the pairs; the peak
includes loading. All are then treated alike: connected components of the pairs, and pairwise
precision, recall and F1 of the groups, and B³. Ours has no threshold to choose. Each peer gets the
one that is best on the very data it is judged by, which nobody has in life, and dedupe 600 pairs
labelled by the truth.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from world import World, write

HERE = Path(__file__).resolve().parent
ENGINES = ("exact", "ours", "learned", "splink", "recordlinkage", "dedupe")
OWN = ("exact", "ours", "learned")
"""Engines that run in the interpreter that runs this, and have no threshold to choose."""
WORLDS = {"default": World, "held-out": World.held_out}


class Quality(NamedTuple):
    """How good groups are, each figure 0 to 1; `threshold` is the least score of a pair kept."""

    threshold: float
    precision: float
    recall: float
    f1: float
    b3: float


class Groups:
    """Groups that grow pair by pair, with their pairs and right pairs counted along."""

    def __init__(self, persons: Sequence[int]) -> None:
        self.parents = list(range(len(persons)))
        self.members = [Counter((person,)) for person in persons]
        self.pairs = self.right = 0

    def root(self, row: int) -> int:
        """Return the row that stands for the group of `row`."""
        while self.parents[row] != row:
            self.parents[row] = row = self.parents[self.parents[row]]
        return row

    def join(self, left: int, right: int) -> None:
        """Make one group of two rows' groups."""
        one, other = self.root(left), self.root(right)
        if one == other:
            return
        if len(self.members[one]) < len(self.members[other]):
            one, other = other, one
        into, added = self.members[one], self.members[other]
        self.pairs += into.total() * added.total()
        self.right += sum(count * into[person] for person, count in added.items())
        into.update(added)
        self.parents[other] = one

    def b3(self, sizes: Counter[int]) -> float:
        """Return the F1 of B³: what a record sees of its person, and of strangers, on average."""
        rows = len(self.parents)
        precision = recall = 0.0
        for row in range(rows):
            if self.parents[row] == row:
                group = self.members[row]
                held = group.total()
                precision += sum(count * count for count in group.values()) / held
                recall += sum(count * count / sizes[person] for person, count in group.items())
        return 2 * precision * recall / (precision + recall) / rows


def judged(pairs: pa.Table, persons: Sequence[int], *, choose: bool) -> Quality:
    """Return how good the groups are that `pairs` (left, right, score) form.

    Args:
        pairs: Rows of contacts, and how certain the engine is.
        persons: Who each row is.
        choose: Take the threshold with the best F1 instead of every pair.
    """
    sizes = Counter(persons)
    true = sum(size * (size - 1) // 2 for size in sizes.values())
    rows = pairs.sort_by([("score", "descending")]).to_pydict()
    scores = rows["score"]
    groups = Groups(persons)
    best, at = -1.0, 0
    for index, (left, right, score) in enumerate(
        zip(*(rows[name] for name in ("left", "right", "score")), strict=True)
    ):
        groups.join(left, right)
        last = index + 1 == len(scores) or scores[index + 1] < score
        f1 = 2 * groups.right / (groups.pairs + true)
        if last and (f1 > best or not choose):
            best, at = f1, index + 1
    groups = Groups(persons)
    for left, right in zip(rows["left"][:at], rows["right"][:at], strict=True):
        groups.join(left, right)
    precision = groups.right / groups.pairs if groups.pairs else 1.0
    return Quality(
        scores[at - 1] if at else 1.0,
        precision,
        groups.right / true,
        2 * groups.right / (groups.pairs + true),
        groups.b3(sizes),
    )


def persons_of(path: Path) -> list[int]:
    """Return a number for the person behind each row of the file."""
    names = pq.read_table(path, columns=["person"]).column(0).combine_chunks().dictionary_encode()
    return list(names.indices.to_pylist())


class Answer(NamedTuple):
    """What an engine found, and what that took: seconds, seconds of CPU, MB."""

    pairs: pa.Table
    wall: float
    cpu: float
    peak: float


class Bench(NamedTuple):
    """Where and how engines are run.

    Args:
        folder: Where they leave what they find.
        peers: The interpreter that has the peers; None leaves them out.
        threads: How many each may use.
        at_most: Seconds after which one is stopped.
        script: What runs one.
    """

    folder: Path
    peers: str | None
    threads: int = 2
    at_most: float = 3_600
    script: str = "peer_engines.py"

    def answer(self, engine: str, path: Path) -> Answer | str:
        """Run one engine on one file in its own process; return its answer, or why there is none."""
        python = sys.executable if engine in OWN else self.peers
        if python is None:
            return "left out, for it needs --peers"
        stem = self.folder / f"{path.stem}-{engine}"
        limits = ("BENCH_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        environment = {
            **os.environ,
            **dict.fromkeys(limits, str(self.threads)),
            "PYTHONPATH": os.pathsep.join(
                [str(HERE.parent / "src"), str(HERE), os.environ.get("PYTHONPATH", "")]
            ),
        }
        failed = _ended(
            [python, str(HERE / self.script), engine, str(path), str(stem)],
            environment,
            self.at_most,
        )
        if failed:
            return failed
        figures = json.loads(stem.with_suffix(".json").read_text())
        return Answer(pq.read_table(stem.with_suffix(".parquet")), **figures)


def _ended(command: Sequence[str], environment: dict[str, str], at_most: float) -> str:
    """Run a command; return why it failed, empty when it did not."""
    # A session of its own: what it started in turn is stopped with it.
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            _, complaint = process.communicate(timeout=at_most)
        except subprocess.TimeoutExpired:
            return f"stopped after {at_most:g} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        # Below the last traceback, whose lines are indented, stands the error; it may have several.
        last = complaint.rpartition("Traceback (most recent call last):")[2]
        said = [line for line in last.splitlines() if line.strip() and not line[0].isspace()]
        return (said or [f"exit {process.returncode}"])[0 if "Traceback" in complaint else -1]
    return ""


def lines(paths: Iterable[Path], engines: Sequence[str], bench: Bench) -> Iterator[str]:
    """Yield the table, line by line."""
    yield "| contacts | engine | P | R | F1 | B³ | threshold | wall s | CPU s | peak MB |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for path in paths:
        persons = persons_of(path)
        head = f"| {path.stem}, {len(persons):,} |"
        for engine in engines:
            found = bench.answer(engine, path)
            if isinstance(found, str):
                yield f"{head} {engine} | {found} |"
                continue
            quality = judged(found.pairs, persons, choose=engine not in OWN)
            yield (
                f"{head} {engine} | {_written(quality)} | {quality.threshold:.3g}"
                f" | {found.wall:.1f} | {found.cpu:.1f} | {found.peak:,.0f} |"
            )
            if "sure" in found.pairs.column_names:
                sure = judged(only_sure(found.pairs), persons, choose=False)
                yield f"{head} {engine}, sure | {_written(sure)} | | | | |"


def only_sure(pairs: pa.Table) -> pa.Table:
    """Return the pairs of groups that would be merged."""
    return pairs.filter(pc.field("sure"))


def _written(quality: Quality) -> str:
    return " | ".join(f"{figure:.4f}" for figure in quality[1:])


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("contacts", nargs="*")
    parser.add_argument("--world", choices=WORLDS, default="default")
    parser.add_argument("--peers", help="interpreter that has splink, dedupe and recordlinkage")
    parser.add_argument("--only", default=",".join(ENGINES), help="engines, comma-separated")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--at-most", type=float, default=3_600, metavar="SECONDS")
    given = parser.parse_args()
    if not given.contacts:
        print("peers: left out, for it needs contacts; see the top of bench/peers.py")
        return 0
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        bench = Bench(Path(folder), given.peers, given.threads, given.at_most)
        paths = [_file(Path(folder), one, given.world) for one in given.contacts]
        for line in lines(paths, given.only.split(","), bench):
            print(line, flush=True)
    return 0


def _file(folder: Path, asked: str, world: str) -> Path:
    if not asked.isdecimal():
        return Path(asked)
    file = folder / f"{world}-{asked}.parquet"
    write(WORLDS[world](), int(asked), file)
    return file


if __name__ == "__main__":
    sys.exit(main())
