"""DuckDB needs nothing; Spark that is not installed is one clear error."""

from pathlib import Path

import pytest

from bewust.fleet import engines
from bewust.fleet.reading import FleetError
from support.fleets import line, read


def test_duckdb_reads_the_rows(tmp_path: Path) -> None:
    (tmp_path / "r.ndjson").write_text(line(1) + "\n")
    found = read(tmp_path, scratch=tmp_path / "scratch")
    connection = engines.connect("duckdb")
    assert connection.execute(engines.rows(connection, found.folder).count()) == 1


def test_spark_that_is_not_there_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(engines, "import_module", gone)
    with pytest.raises(FleetError, match=r"pip install 'bewust\[spark\]'") as error:
        engines.connect("spark")
    assert "\n" not in str(error.value)
