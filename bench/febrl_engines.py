"""One engine of bench/febrl.py, in the process it is measured in.

Beside those of peer_engines.py, what Splink and recordlinkage show of FEBRL in their own
documentation, less the social security number.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq

import peer_engines
from peer_engines import Edges, Run, contacts, edges

LABELLED = 0.1
"""Share of the compared pairs of which logistic regression is told what they are."""
GIVEN_NAME = ("given_name",)
MORE_BLOCKS = ("given_name", "surname", "date_of_birth")
"""As recordlinkage's example of FEBRL 3 blocks; the birth date stands in for the number."""


# --- recordlinkage: its guides "Data deduplication" and "Link two datasets", and the example
# --- "dedup_deterministic" for more blocks; its guide "Classification algorithms" for the classifiers


def _vectors(path: str, blocks: tuple[str, ...]) -> tuple[Callable[[], Any], Any]:
    """Return what compares as the guides do, and who each row is."""
    import recordlinkage as rl

    frame = pq.read_table(path).to_pandas()
    # None becomes NaN in one column and not in another; the toolkit wants the first.
    frame = frame.where(frame.notna(), float("nan"))
    sides = [part for _, part in frame.groupby("connection")]

    def compared() -> Any:
        index = rl.Index()
        for name in blocks:
            index.block(name)
        compare = rl.Compare(n_jobs=1)
        for name in ("given_name", "date_of_birth", "suburb", "state"):
            compare.exact(name, name, label=name)
        compare.string("surname", "surname", method="jarowinkler", threshold=0.85, label="surname")
        compare.string("address_1", "address_1", threshold=0.85, label="address_1")
        return compare.compute(index.index(*sides), *sides)

    return compared, frame["person"]


def _rows(found: Any) -> Edges:
    left, right = (found.index.get_level_values(level).to_numpy() for level in (0, 1))
    return edges(left, right, found.fillna(0).to_numpy())


def recordlinkage_guide(path: str) -> tuple[Run, Callable[[Any], Edges]]:
    """The rule of both guides: one given name, and more than three of six agree."""
    compared, _ = _vectors(path, GIVEN_NAME)
    # Sevenths: more than three are more than a half.
    return lambda: compared().sum(axis=1) / 7, _rows


def recordlinkage_ecm(path: str) -> tuple[Run, Callable[[Any], Edges]]:
    """More blocks, and the classifier that learns by itself."""
    import recordlinkage as rl

    compared, _ = _vectors(path, MORE_BLOCKS)

    def match() -> Any:
        vectors, classifier = compared(), rl.ECMClassifier(binarize=0.8)
        classifier.fit(vectors)
        return classifier.prob(vectors)

    return match, _rows


def recordlinkage_logistic(path: str) -> tuple[Run, Callable[[Any], Edges]]:
    """More blocks, and logistic regression that was told a tenth of the answers."""
    import recordlinkage as rl

    compared, persons = _vectors(path, MORE_BLOCKS)

    def match() -> Any:
        vectors = compared()
        told = vectors.sample(frac=LABELLED, random_state=5)
        sides = [persons.loc[told.index.get_level_values(level)].to_numpy() for level in (0, 1)]
        classifier = rl.LogisticRegressionClassifier()
        classifier.fit(told, told.index[sides[0] == sides[1]])
        return classifier.prob(vectors)

    return match, _rows


# --- Splink: its examples "febrl3" (one file) and "febrl4" (two files, the detailed model) ---------


def splink_example(path: str) -> tuple[Run, Callable[[Any], Edges]]:
    """Splink as its examples set it up for these sets."""
    from splink import DuckDBAPI, Linker

    logging.getLogger("splink").setLevel(logging.ERROR)
    con = contacts(path)
    sides = [
        name
        for (name,) in con.execute("SELECT DISTINCT connection FROM contacts ORDER BY 1").fetchall()
    ]
    for side in sides:
        con.execute(
            f"CREATE TABLE \"{side}\" AS SELECT * FROM contacts WHERE connection = '{side}'"
        )

    def match() -> Any:
        api = DuckDBAPI(connection=con)
        linker = Linker([api.register(side) for side in sides], _model(linked=len(sides) > 1))
        _train(linker, linked=len(sides) > 1)
        found = linker.inference.predict(threshold_match_probability=0.001)
        return found.as_duckdbpyrelation().to_arrow_table()

    def rows(found: Any) -> Edges:
        con.register("predicted", found)
        return con.execute(
            "SELECT l.row AS left, r.row AS right, match_probability AS score FROM predicted"
            " JOIN contacts l ON l.id = id_l JOIN contacts r ON r.id = id_r"
        ).to_arrow_table()

    return match, rows


def _model(*, linked: bool) -> Any:
    import splink.comparison_library as cl
    from splink import SettingsCreator, block_on

    names = [cl.NameComparison(name) for name in ("given_name", "surname")]
    number = cl.ExactMatch("street_number").configure(term_frequency_adjustments=True)
    if linked:
        blocks = [
            block_on("given_name", "surname"),
            "l.given_name = r.surname and l.surname = r.given_name",
            *(block_on("date_of_birth"), block_on("postcode")),
            *(block_on("state", "address_1"), block_on("street_number", "address_1")),
        ]
        names = [one.configure(term_frequency_adjustments=True) for one in names]
        postcode = cl.DamerauLevenshteinAtThresholds("postcode", [1, 2])
    else:
        blocks = [block_on(name) for name in ("given_name", "surname", "date_of_birth", "postcode")]
        postcode = cl.ExactMatch("postcode")
    born = cl.DateOfBirthComparison(
        "date_of_birth",
        input_is_string=True,
        datetime_format="%Y%m%d",
        invalid_dates_as_null=True,
    )
    return SettingsCreator(
        link_type="link_only" if linked else "dedupe_only",
        unique_id_column_name="id",
        blocking_rules_to_generate_predictions=blocks,
        comparisons=[
            *names,
            born,
            number,
            postcode.configure(term_frequency_adjustments=True),
        ],
    )


def _train(linker: Any, *, linked: bool) -> None:
    from splink import block_on

    swapped = (
        "l.given_name = r.surname and l.surname = r.given_name"
        " and l.date_of_birth = r.date_of_birth"
    )
    certain = [block_on("given_name", "surname", "date_of_birth"), *([] if linked else [swapped])]
    training = linker.training
    training.estimate_probability_two_random_records_match(certain, recall=0.8 if linked else 0.9)
    training.estimate_u_using_random_sampling(max_pairs=1e6, seed=2)
    for name in ("date_of_birth", "postcode"):
        training.estimate_parameters_using_expectation_maximisation(
            block_on(name), estimate_without_term_frequencies=linked
        )


OF_FEBRL = (recordlinkage_guide, recordlinkage_ecm, recordlinkage_logistic, splink_example)

if __name__ == "__main__":
    sys.exit(peer_engines.main({**peer_engines.ENGINES, **{one.__name__: one for one in OF_FEBRL}}))
