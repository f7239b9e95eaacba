"""Invented contacts with a known person behind each record, for measuring how duplicates are found.

`python bench/population.py COUNT OUT.parquet [--seed N] [--world default|held-out]` writes them; without arguments it
prints what exact keys alone find at several sizes. On the held-out world nobody tunes.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from world import World, exact_keys, write

_SIZES = (10_000, 100_000, 1_000_000)


def _written(world: World, count: int, out: Path) -> str:
    started = time.perf_counter()
    write(world, count, out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return f"{count} contacts in {time.perf_counter() - started:.1f} s, peak {peak} MB"


def _found(count: int, file: Path) -> str:
    score = exact_keys(file)
    return (
        f"exact keys, {count} contacts: precision {score.precision:.3f}, recall {score.recall:.3f}, "
        f"F1 {score.f1:.3f}, {score.pairs} pairs, largest group {score.largest}"
    )


def main() -> int:
    """Write a population, or print how hard populations are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--world", choices=["default", "held-out"], default="default")
    asked = parser.parse_args()
    make = World.held_out if asked.world == "held-out" else World
    world = make() if asked.seed is None else make(seed=asked.seed)
    if asked.out:
        print(_written(world, asked.count, asked.out))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        for count in [asked.count] if asked.count else _SIZES:
            file = Path(folder) / f"{count}.parquet"
            print(_written(world, count, file))
            print(_found(count, file))
    return 0


if __name__ == "__main__":
    sys.exit(main())
