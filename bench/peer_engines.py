"""One engine of bench/peers.py, in the process it is measured in.

    python peer_engines.py ENGINE CONTACTS.parquet RESULT

writes RESULT.parquet (left, right: rows of the file; score; of ours also whether the group is sure)
and RESULT.json (wall and CPU seconds, peak memory in MB). BENCH_THREADS says how many threads an
engine may use.
"""

from __future__ import annotations

import io
import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Mapping
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

THREADS = int(os.environ.get("BENCH_THREADS", "2"))
FEW = 50
"""Holders from which a value blocks nothing; the same for all."""
NAMED = ("connection", "id")
TEXTS = (
    "email_key",
    "phone_key",
    "mobile_key",
    "first_name_key",
    "last_name_key",
    "name_key",
    "company_key",
    "street_key",
    "city_key",
    "postcode_key",
    "birth_date",
)

Edges = pa.Table
Run = Callable[[], Any]
Engine = Callable[[str], tuple[Run, Callable[[Any], Edges]]]
"""Loads a file; returns what is timed, and what makes rows of the file of its answer."""


def edges(left: Any, right: Any, score: Any) -> Edges:
    """Return pairs of rows with their scores."""
    return pa.table(
        {
            "left": pa.array(left, pa.int64()),
            "right": pa.array(right, pa.int64()),
            "score": pa.array(score, pa.float64()),
        }
    )


def contacts(path: str) -> duckdb.DuckDBPyConnection:
    """Load the file as table `contacts`, with `row`."""
    con = duckdb.connect(config={"threads": THREADS})
    con.execute(
        "CREATE TABLE contacts AS SELECT file_row_number AS row, *, NULL::VARCHAR AS email_keys, "
        f"NULL::VARCHAR AS phone_keys FROM read_parquet('{path}', file_row_number = true)"
    )
    return con


def by_name(con: duckdb.DuckDBPyConnection, pairs: pa.Table) -> Edges:
    """Return pairs named by connection and id as pairs of rows."""
    con.register("found", pairs)
    return con.execute(
        "SELECT l.row AS left, r.row AS right, found.* EXCLUDE (left_connection, left_id, right_connection,"
        " right_id) REPLACE (score::DOUBLE AS score) FROM found"
        " JOIN contacts l ON l.connection = left_connection AND l.id = left_id"
        " JOIN contacts r ON r.connection = right_connection AND r.id = right_id"
    ).to_arrow_table()


# --- the engines: each loads, and returns what is timed and what makes rows of its answer --------


def exact(path: str) -> tuple[Run, Callable[[Any], Edges]]:
    """Equal keys, of few holders: the e-mail, or a number and the last name, or name and place."""
    con = contacts(path)
    keys = (
        "email_key",
        "phone_key || last_name_key",
        "mobile_key || last_name_key",
        "name_key || company_key",
        "name_key || city_key",
        "name_key || birth_date",
    )
    query = " UNION ALL ".join(
        f"SELECT unnest(rows[2:]) AS right, rows[1] AS left FROM (SELECT list(row ORDER BY row) AS rows FROM contacts"
        f" WHERE ({key}) IS NOT NULL GROUP BY {key} HAVING count(*) BETWEEN 2 AND {FEW})"
        for key in keys
    )
    return lambda: con.execute(query).to_arrow_table(), lambda t: edges(
        t["left"].combine_chunks(), t["right"].combine_chunks(), [1.0] * len(t)
    )


def ours(path: str) -> tuple[Run, Callable[[Any], Edges]]:
    """The engine that rules use, as it ships; its call stands here and nowhere else in these files."""
    from crm_steward.matching import Wanted, find_groups

    con = contacts(path)
    return lambda: find_groups(con, Wanted()), lambda found: by_name(con, _pairs(found.groups))


def learned(path: str) -> tuple[Run, Callable[[Any], Edges]]:
    """The same, with weights learned from these contacts."""
    from crm_steward.matching import Wanted, find_groups
    from crm_steward.matching.training import ENOUGH, TooFewPairsError, train

    con = contacts(path)

    def match() -> Any:
        try:
            weights = train(con, date(2026, 1, 1))
        except TooFewPairsError as error:
            sys.exit(f"nothing is learned from about {error.pairs} pairs, {ENOUGH:,} are needed")
        return find_groups(con, Wanted(weights=weights))

    return match, lambda found: by_name(con, _pairs(found.groups))


_FOUND = pa.schema(
    [
        *((f"{side}_{part}", pa.string()) for side in ("left", "right") for part in NAMED),
        *(("score", pa.float64()), ("sure", pa.bool_())),
    ]
)


def _pairs(groups: Any) -> pa.Table:
    """Return the pairs of groups, and whether all of their group is sure."""
    rows = [
        (
            *(pair.left.connection, pair.left.id, pair.right.connection, pair.right.id),
            *(pair.probability, group.sure),
        )
        for group in groups
        for pair in group.pairs
    ]
    return pa.table([list(column) for column in zip(*rows, strict=True)] or [[]] * 6, _FOUND)


def splink(path: str) -> tuple[Run, Callable[[Any], Edges]]:
    """Splink, as tuned for `engine: splink`."""
    from crm_steward.matching.splink_engine import splink_pairs

    con = contacts(path)
    return (
        lambda: splink_pairs(con, threshold=1e-4),
        lambda found: by_name(con, found.rename_columns([*found.column_names[:4], "score"])),
    )


BLOCKS = (
    *(["email_key"], ["phone_key"], ["mobile_key"], ["name_key"], ["street_key"]),
    *(["birth_date", "last_name_key"], ["city_key", "last_name_key"]),
    *(["company_key", "last_name_key"], ["company_key", "first_name_key"]),
)
ALIKE = {"first_name_key": 0.88, "last_name_key": 0.9, "company_key": 0.9, "street_key": 0.9}
"""Jaro-Winkler similarity from which two texts agree. City and postcode only repeat the street."""
EXACTLY = ("email_key", "phone_key", "mobile_key", "birth_date")


def recordlinkage(path: str) -> tuple[Run, Callable[[Any], Edges]]:
    """The Python Record Linkage Toolkit: blocks, Jaro-Winkler, and its ECM classifier."""
    import numpy as np
    import recordlinkage as rl

    frame = pq.read_table(path, columns=list(TEXTS)).to_pandas().astype("object")
    frame = frame.where(frame.notna(), None)
    used = {name for name in TEXTS if frame[name].notna().any()}

    def match() -> Any:
        few = frame.copy()
        for (name,) in (keys for keys in BLOCKS if len(keys) == 1):
            few.loc[few[name].map(few[name].value_counts()) > FEW, name] = None
        index, compare = rl.Index(), rl.Compare(n_jobs=1)
        for keys in (keys for keys in BLOCKS if used.issuperset(keys)):
            index.block(keys)
        for name in used.intersection(EXACTLY):
            compare.exact(name, name, label=name)
        for name in used.intersection(ALIKE):
            compare.string(name, name, method="jarowinkler", threshold=ALIKE[name], label=name)
        vectors = compare.compute(index.index(few), frame)
        classifier = rl.ECMClassifier(binarize=0.5)
        classifier.fit(vectors)
        return classifier.prob(vectors)

    def rows(found: Any) -> Edges:
        left, right = (found.index.get_level_values(level).to_numpy() for level in (0, 1))
        return edges(left, right, np.nan_to_num(found.to_numpy()))

    return match, rows


def dedupe(path: str) -> tuple[Run, Callable[[Any], Edges]]:
    """Dedupe, taught by 300 pairs of one person and 300 of two, half of these hard to tell."""
    import dedupe as dd
    from dedupe import variables

    table = pq.read_table(path, columns=[*TEXTS, "person"]).to_pandas()
    # As for recordlinkage: what repeats another column teaches nothing and takes its time.
    used = [name for name in (*EXACTLY, *ALIKE) if table[name].notna().any()]
    data = {
        row: {
            name: str(value) if filled else None
            for name, value, filled in zip(used, values, there, strict=True)
        }
        for row, (values, there) in enumerate(
            zip(
                table[used].itertuples(index=False),
                table[used].notna().itertuples(index=False),
                strict=True,
            )
        )
    }
    # As a training file: only so does the learner know records that its sample lacks.
    answers = io.StringIO()
    dd.write_training(_labels(table["person"].tolist(), data), answers)
    labels = answers.getvalue()

    def match() -> Any:
        fields = [
            (variables.ShortString if name in EXACTLY[1:] else variables.String)(
                name, has_missing=True
            )
            for name in used
        ]
        # One core: in this process, rather than in a pool of one.
        deduper = dd.Dedupe(fields, num_cores=0 if THREADS == 1 else THREADS)
        # With 5,000 of them, as many as it would draw, learning to block takes 11 GB and four
        # minutes. The order of the file says nothing about persons.
        few = {row: data[row] for row in range(min(len(data), 2_000))}
        deduper.prepare_training(few, training_file=io.StringIO(labels))
        # Predicates that search an index would take as much memory again.
        deduper.train(recall=0.95, index_predicates=False)
        return deduper.score(deduper.pairs(data))

    return match, lambda found: edges(
        found["pairs"][:, 0].astype("int64"), found["pairs"][:, 1].astype("int64"), found["score"]
    )


def _labels(persons: list[Any], data: dict[int, Any]) -> Any:
    chance = random.Random(5)  # noqa: S311 -- repeatable draws, not secrets
    rows: dict[Any, list[int]] = {}
    names: dict[Any, list[int]] = {}
    for row, person in enumerate(persons):
        rows.setdefault(person, []).append(row)
        if data[row].get("last_name_key"):
            names.setdefault(data[row]["last_name_key"], []).append(row)
    same = [pair for held in rows.values() for pair in combinations(held, 2)]
    hard = [
        pair
        for held in names.values()
        for pair in combinations(held[:8], 2)
        if persons[pair[0]] != persons[pair[1]]
    ]
    drawn = [tuple(chance.sample(range(len(persons)), 2)) for _ in range(400)]
    easy = [pair for pair in drawn if persons[pair[0]] != persons[pair[1]]]
    distinct = chance.sample(hard, min(150, len(hard))) + easy[:150]
    match = chance.sample(same, min(300, len(same)))
    return {
        label: [(data[a], data[b]) for a, b in pairs]
        for label, pairs in (("match", match), ("distinct", distinct))
    }


ENGINES = {one.__name__: one for one in (exact, ours, learned, splink, recordlinkage, dedupe)}


def main(engines: Mapping[str, Engine] = ENGINES) -> int:
    """Run what the command line names."""
    if len(sys.argv) < 4:
        print(f"{Path(sys.argv[0]).stem}: left out, for another bench starts it")
        return 0
    engine, path, stem = sys.argv[1:]
    result = Path(stem)
    run, rows = engines[engine](path)
    wall, cpu = time.perf_counter(), _cpu()
    found = run()
    wall, cpu = time.perf_counter() - wall, _cpu() - cpu
    peak = _peak()
    pq.write_table(rows(found), result.with_suffix(".parquet"))
    result.with_suffix(".json").write_text(json.dumps({"wall": wall, "cpu": cpu, "peak": peak}))
    return 0


def _cpu() -> float:
    used = [resource.getrusage(kind) for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peak() -> float:
    """Return the most memory held, in MB: of this process, and of the largest that it started."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = Path("/proc/self/status")
    if status.exists():
        # Linux hands the other figure down from the process that started this one.
        own = next(
            int(line.split()[1])
            for line in status.read_text().splitlines()
            if line.startswith("VmHWM")
        )
    return (own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


if __name__ == "__main__":
    sys.exit(main())
