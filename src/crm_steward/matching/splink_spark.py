"""A Spark session for one comparison: contacts go there as Parquet, and nothing of them remains.

The session is set up as every Spark program's: `spark-defaults.conf` in `SPARK_CONF_DIR`, or
`PYSPARK_SUBMIT_ARGS`. Without either, Spark runs here, on all processors.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from crm_steward.model import ConfigError, Problem

if TYPE_CHECKING:
    import duckdb

_OURS: Final = {
    "spark.app.name": "crm-steward",
    "spark.api.mode": "classic",  # Splink cannot use Spark Connect
    "spark.log.level": "OFF",  # what fails is raised; messages of tasks may quote values
    "spark.sql.catalogImplementation": "in-memory",  # no Hive
    "spark.ui.enabled": "false",  # nothing listens
    "spark.ui.showConsoleProgress": "false",
}
_HOW: Final = "Java 17 or newer is needed, and settings as `spark-submit` takes them"
_ENDS_IN: Final = 60
"""Seconds the Java process has to end."""
_NO_CONNECT: Final = Problem(
    "Splink cannot use Spark Connect",
    where="SPARK_REMOTE",
    hint="Unset it, and name the cluster by spark.master in spark-defaults.conf",
)

_NO_FOLDER: Final = Problem(
    "contacts cannot be given to the machines of this Spark cluster",
    where="spark.checkpoint.dir",
    hint="Name a folder that all of them reach (hdfs://, s3a://, or a shared disk)",
)


@contextmanager
def contacts_on_spark(con: duckdb.DuckDBPyConnection) -> Iterator[DataFrame]:
    """Start a session and give it table `splink_people` of `con`; both end with the context.

    Contacts, and what Spark keeps between steps, lie in a folder of their own: below
    `spark.checkpoint.dir`, which all machines must reach, or in a temporary folder where Spark runs
    on this machine alone.

    Raises:
        ConfigError: Spark does not start, is a cluster without a folder that all machines reach, or
            Spark Connect is asked for, which Splink cannot use.
    """
    with TemporaryDirectory(prefix="crm-steward-spark-") as here, _session(here) as spark:
        parquet = Path(here, "people.parquet")
        con.execute(f"COPY splink_people TO '{parquet}' (FORMAT parquet)")
        with _folder(spark, parquet) as folder:
            spark.sparkContext.setCheckpointDir(f"{folder}/steps")
            yield spark.read.parquet(f"{folder}/{parquet.name}")


@contextmanager
def _session(folder: str) -> Iterator[SparkSession]:
    if "SPARK_REMOTE" in os.environ:
        raise ConfigError([_NO_CONNECT])
    ours = {**_OURS, "spark.sql.warehouse.dir": folder}
    try:
        spark = SparkSession.builder.config(map=ours).getOrCreate()
    except (PySparkException, Py4JError) as error:
        problem = Problem(f"Spark does not start ({type(error).__name__})", hint=_HOW)
        raise ConfigError([problem]) from error
    try:
        yield spark
    finally:
        _end(spark)


def _end(spark: SparkSession) -> None:
    """End a session, and the Java process that would otherwise keep its memory until ours ends."""
    gateway = SparkContext._gateway  # noqa: SLF001 -- nothing public names the process
    spark.stop()
    process = getattr(gateway, "proc", None)
    if process is None:  # under spark-submit it is the parent
        return
    gateway.shutdown()
    process.stdin.close()  # which tells it to end
    process.wait(timeout=_ENDS_IN)
    SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001 -- the next session starts anew


@contextmanager
def _folder(spark: SparkSession, parquet: Path) -> Iterator[str]:
    """Give a folder that every machine of the session reaches and that holds `parquet`."""
    context = spark.sparkContext
    shared = context.getConf().get("spark.checkpoint.dir")
    if shared is None:
        if not context.master.startswith("local"):
            raise ConfigError([_NO_FOLDER])
        yield parquet.parent.as_uri()
        return
    folder = f"{shared.rstrip('/')}/crm-steward-{uuid4().hex}"
    files = _files(spark, folder)
    try:
        to = _path(spark, f"{folder}/{parquet.name}")
        files.copyFromLocalFile(_path(spark, parquet.as_uri()), to)
        yield folder
    finally:
        files.delete(_path(spark, folder), True)  # noqa: FBT003 -- Java: and all in it


def _files(spark: SparkSession, folder: str) -> Any:
    """Return Hadoop's file system that holds `folder`: local, HDFS, an object store."""
    hadoop = spark._jsc.hadoopConfiguration()  # noqa: SLF001 -- PySpark has no file systems
    return _path(spark, folder).getFileSystem(hadoop)


def _path(spark: SparkSession, path: str) -> Any:
    return spark._jvm.org.apache.hadoop.fs.Path(path)  # noqa: SLF001 -- as above
