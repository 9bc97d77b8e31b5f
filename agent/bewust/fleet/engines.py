"""Where the expressions run: DuckDB on this machine, or Spark for fleets that outgrow one."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import ibis  # type: ignore[import-untyped]

from bewust.fleet.reading import FleetError

type Engine = Literal["duckdb", "spark"]


def connect(engine: Engine) -> Any:
    """Return an ibis backend. Raises FleetError where Spark is asked for and not installed."""
    return ibis.duckdb.connect() if engine == "duckdb" else _spark()


def _spark() -> Any:
    try:
        session = import_module("pyspark.sql").SparkSession
    except ImportError as error:
        raise FleetError(
            "--engine spark: Spark is not installed. Install it: pip install 'bewust[spark]', and Java 17 "
            "or newer; or leave --engine out."
        ) from error
    # Spark starts its workers with the first python it finds, which may be another version.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    outer = os.environ.get("SPARK_REMOTE") or os.environ.get("MASTER")
    local = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1", "spark.ui.enabled": "false"}
    settings = {**({} if outer else local), "spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}
    builder = session.builder.appName("bewust-fleet")
    if not outer:
        builder = builder.master("local[*]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    try:
        return ibis.pyspark.connect(builder.getOrCreate())
    except Exception as error:
        raise FleetError(
            f"--engine spark: Spark does not start ({type(error).__name__}). Is Java 17 or newer "
            "installed, and JAVA_HOME set?"
        ) from error


def rows(connection: Any, folder: Path) -> Any:
    """Return the rows of a folder of Parquet files as an ibis table."""
    return connection.read_parquet(str(folder if connection.name == "pyspark" else folder / "*.parquet"))
