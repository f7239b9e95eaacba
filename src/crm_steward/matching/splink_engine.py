"""Duplicates by Splink: a second opinion on DuckDB, and the road beyond one machine on Spark."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from crm_steward.matching.matches import Scope
from crm_steward.matching.splink_contacts import Prepared, prepared
from crm_steward.model import ConfigError, Problem

if TYPE_CHECKING:
    import duckdb

THRESHOLD: Final = 0.5
"""Probability from which two contacts are reported."""

_LEARNS_FROM: Final = 1_000
"""Contacts from which the model is trained on them. Below, it stays as it was written: chance
agreement is not to be told from duplicates, and every value seems rare."""
_SEED: Final = 1
_SAMPLE: Final = 1.5e6
"""Pairs drawn to learn how often two people agree by chance."""
_TRAINED_ON: Final = 5e5
"""Pairs at most from which one round of training learns."""
_ENOUGH: Final = 50
"""Pairs from which it is worth learning."""
_ROUNDS: Final = 3
_KEPT: Final = 0.05
"""The part of the written model that training does not overrule."""

Model = dict[str, Any]
"""A model as Splink writes it down."""


_PAIRS: Final = """
SELECT l.connection AS left_connection, l.id AS left_id,
    r.connection AS right_connection, r.id AS right_id, probability
FROM (SELECT number_l, number_r, round(match_probability, 6)::DOUBLE AS probability FROM scored)
JOIN {people} l ON l.number = number_l JOIN {people} r ON r.number = number_r
WHERE probability >= $threshold
ORDER BY number_l, number_r
"""


def splink_pairs(
    con: duckdb.DuckDBPyConnection,
    *,
    spark: bool = False,
    within: Scope = "everywhere",
    threshold: float = THRESHOLD,
) -> pa.Table:
    """Return the pairs of table `contacts` that Splink holds to be one person.

    The model is trained on the contacts themselves; the same contacts give the same pairs.

    Args:
        con: Holds `contacts` with connection, id and the keys; a key it lacks counts as empty.
            Nothing is left behind in it.
        spark: Compare on Spark, as Spark's own settings say (`spark-defaults.conf`), instead of in
            `con`.
        within: `connection` never pairs records of two connections.
        threshold: The least probability of a pair, 0 to 1.

    Returns:
        left_connection, left_id, right_connection, right_id, probability, in order of the records;
        the left one comes before the right one.

    Raises:
        ConfigError: The extra is not installed, or Spark's settings cannot be used.
    """
    _check_extra("splink-spark" if spark else "splink")
    with prepared(con) as people, _quiet():
        scored = _on_spark if spark else _on_duckdb
        found = scored(people, within, threshold) if people.count > 1 else _NO_PAIRS
        con.register("scored", found)
        try:
            query = _PAIRS.format(people=people.table)
            return con.execute(query, {"threshold": threshold}).to_arrow_table()
        finally:
            con.unregister("scored")


_NO_PAIRS: Final = pa.table(
    {
        "number_l": pa.array([], pa.int64()),
        "number_r": pa.array([], pa.int64()),
        "match_probability": pa.array([], pa.float64()),
    }
)


def _check_extra(extra: str) -> None:
    needed = ("splink", "pyspark") if extra == "splink-spark" else ("splink",)
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        problem = Problem(
            f"engine '{extra}' needs {' and '.join(missing)}",
            hint=f"Install it: pip install 'crm-steward[{extra}]'",
        )
        raise ConfigError([problem])


def _on_duckdb(people: Prepared, within: Scope, threshold: float) -> pa.Table:
    from splink import DuckDBAPI  # noqa: PLC0415 -- an extra

    api = DuckDBAPI(connection=people.con)
    return _scored(api.register("splink_people"), people, within, threshold)


def _on_spark(people: Prepared, within: Scope, threshold: float) -> pa.Table:
    from splink import SparkAPI  # noqa: PLC0415 -- an extra

    from crm_steward.matching.splink_spark import contacts_on_spark  # noqa: PLC0415 -- an extra

    with contacts_on_spark(people.con) as frame:
        make: Any = SparkAPI  # untyped in Splink
        api = make(spark_session=frame.sparkSession, register_udfs_automatically=False)
        return _scored(api.register(frame), people, within, threshold)


def _scored(contacts: Any, people: Prepared, within: Scope, threshold: float) -> pa.Table:
    """Train a model on the contacts and return the pairs it holds to be one person, unrounded."""
    from splink import Linker, block_on  # noqa: PLC0415 -- an extra

    from crm_steward.matching.splink_model import TRAINING, untrained  # noqa: PLC0415 -- an extra

    learn = people.count >= _LEARNS_FROM
    model = untrained(people.filled, prior=people.prior(), within=within, weigh=learn)
    if not (model.comparisons and model.blocking_rules_to_generate_predictions):
        return _NO_PAIRS
    linker = Linker(contacts, model, log_level=None)
    if learn:
        untaught = linker.misc.save_model_to_json()
        linker.training.estimate_u_using_random_sampling(
            max_pairs=_SAMPLE, seed=_SEED, num_chunks=1
        )
        for columns in [c for c in TRAINING if people.pairs_on(c) >= _ENOUGH][:_ROUNDS]:
            linker.training.estimate_parameters_using_expectation_maximisation(
                block_on(*columns), max_pairs=_TRAINED_ON
            )
        taught = linker.misc.save_model_to_json()
        linker = Linker(contacts, _tempered(taught, untaught), log_level=None)
    # A margin, because what is returned is rounded and only then compared with the threshold.
    pairs: Any = linker.inference.predict(max(threshold - 1e-6, 0), warning_mode="never")
    return pairs.query_sql(
        "SELECT number_l, number_r, match_probability FROM {this}"
    ).as_pyarrow_table()


def _tempered(taught: Model, untaught: Model) -> Model:
    """Keep a part of how often one person's records were held to agree before training.

    What no pair of the training showed is rare, and not impossible, as it would otherwise be.
    """
    for trained, written in zip(taught["comparisons"], untaught["comparisons"], strict=True):
        levels = zip(trained["comparison_levels"], written["comparison_levels"], strict=True)
        for level, before in levels:
            if "m_probability" in level:
                kept = _KEPT * before["m_probability"]
                level["m_probability"] = (1 - _KEPT) * level["m_probability"] + kept
    return taught


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the libraries print to themselves: it is made of SQL and of advice to developers."""
    loggers = [logging.getLogger(name) for name in ("splink", "py4j")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
