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

from crm_steward.model import ConfigError, Problem

if TYPE_CHECKING:
    import duckdb
    from pyspark.sql import DataFrame, SparkSession

_OURS: Final = {
    "spark.app.name": "crm-steward",
    "spark.log.level": "OFF",  # what fails is raised; messages of tasks may quote values
    "spark.sql.catalogImplementation": "in-memory",  # no Hive
    "spark.ui.enabled": "false",  # nothing listens
    "spark.ui.showConsoleProgress": "false",
}
_HOW: Final = "Java 17 or newer is needed, and settings as `spark-submit` takes them"
_NO_CONNECT: Final = Problem(
    "Splink cannot use Spark Connect",
    where="SPARK_REMOTE",
    hint="Unset it, and name the cluster by spark.master in spark-defaults.conf",
)


@contextmanager
def contacts_on_spark(con: duckdb.DuckDBPyConnection) -> Iterator[DataFrame]:
    """Start a session and give it table `people` of `con`; both end with the context.

    Contacts, and what Spark keeps between steps, lie in a folder of their own: below
    `spark.checkpoint.dir`, which all machines must reach, or else in a temporary folder here.

    Raises:
        ConfigError: Spark does not start, or Spark Connect is asked for, which Splink cannot use.
    """
    with TemporaryDirectory(prefix="crm-steward-spark-") as here, _session(here) as spark:
        parquet = Path(here, "people.parquet")
        con.execute(f"COPY people TO '{parquet}' (FORMAT parquet)")
        with _shared_folder(spark, here) as folder:
            if folder != here:
                _files(spark, folder).copyFromLocalFile(
                    _path(spark, parquet.as_uri()), _path(spark, f"{folder}/{parquet.name}")
                )
            spark.sparkContext.setCheckpointDir(f"{folder}/steps")
            yield spark.read.parquet(f"{folder}/{parquet.name}")


@contextmanager
def _session(folder: str) -> Iterator[SparkSession]:
    """Start a session, and end it with the Java process that it lives in."""
    from pyspark import SparkContext  # noqa: PLC0415 -- an extra
    from pyspark.errors import PySparkException  # noqa: PLC0415 -- an extra
    from pyspark.sql import SparkSession  # noqa: PLC0415 -- an extra

    if "SPARK_REMOTE" in os.environ:
        raise ConfigError([_NO_CONNECT])
    ours = {**_OURS, "spark.sql.warehouse.dir": folder}
    try:
        spark = SparkSession.builder.config(map=ours).getOrCreate()
    except (PySparkException, Py4JError) as error:
        problem = Problem(f"Spark does not start ({type(error).__name__})", hint=_HOW)
        raise ConfigError([problem]) from error
    gateway = SparkContext._gateway
    try:
        yield spark
    finally:
        spark.stop()
        gateway.shutdown()
        gateway.proc.stdin.close()  # which ends it
        gateway.proc.wait(timeout=60)
        SparkContext._gateway = SparkContext._jvm = None


@contextmanager
def _shared_folder(spark: SparkSession, here: str) -> Iterator[str]:
    """Give a folder that every machine of the session reaches, and delete it."""
    shared = spark.sparkContext.getConf().get("spark.checkpoint.dir")
    if shared is None:
        yield here
        return
    folder = f"{shared.rstrip('/')}/crm-steward-{uuid4().hex}"
    try:
        yield folder
    finally:
        _files(spark, folder).delete(_path(spark, folder), True)  # noqa: FBT003 -- Java: and all in it


def _files(spark: SparkSession, folder: str) -> Any:
    """Return Hadoop's file system that holds `folder`: local, HDFS, an object store."""
    return _path(spark, folder).getFileSystem(spark._jsc.hadoopConfiguration())


def _path(spark: SparkSession, path: str) -> Any:
    return spark._jvm.org.apache.hadoop.fs.Path(path)
