"""Spark gives what DuckDB gives. Run by `make test-all`: it needs bewust[spark], Java 17 and half a minute.

Not collected by default: its name is no test_*.py, and without pyspark it has no test.
"""

from importlib.util import find_spec
from pathlib import Path

import pytest

from bewust.fleet.simulation import simulate
from support.fleets import batch, compute, line

pytestmark = pytest.mark.filterwarnings("ignore")  # pyspark leaves sockets open

if find_spec("pyspark"):

    def test_the_same_report_comes_out_equal_on_spark(tmp_path: Path) -> None:
        simulate(tmp_path / "local", 5000, 2, seed=7, mechanism="local")
        simulate(tmp_path / "split", 5000, 3, seed=7, mechanism="split")
        odd = tmp_path / "odd"
        odd.mkdir()
        lines = [line(1, any="1"), line(1), line(2, services=("claude",)), line(3, epsilon={"any": "1/4"}), "bad"]
        (odd / "r.ndjson").write_text("\n".join(lines))
        (odd / "b.json").write_text(batch({"any": [300], "service": [5, -3]}))
        places = [tmp_path / "local" / "reports", tmp_path / "split" / "reports", odd]
        duckdb, spark = (compute(*places, engine=engine) for engine in ("duckdb", "spark"))
        assert duckdb.cells == spark.cells
        assert (duckdb.doubled, duckdb.read.skipped) == (spark.doubled, spark.read.skipped) == (1, 1)
        assert len(duckdb.cells) > 150

    def test_no_report_at_all_is_no_cell_on_spark_too(tmp_path: Path) -> None:
        assert compute(tmp_path, engine="spark").cells == []
