"""Every line of a folder is a valid row, or is counted and named; nothing more of it is repeated than a glimpse."""

import re
from pathlib import Path

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.fleet import reading
from bewust.fleet.reading import FleetError, ReportSet
from bewust.statistics import formats
from bewust.statistics.formats import ReportError, Shared, SplitReport
from support.fleets import SERVICES, batch, line, read


def written(folder: Path, *lines: str | bytes, name: str = "r.ndjson") -> Path:
    data = b"\n".join(each if isinstance(each, bytes) else each.encode() for each in lines)
    (folder / name).write_bytes(data + b"\n")
    return folder / name


def rows(found: ReportSet) -> list[tuple[int, str, str]]:
    table = pq.read_table(found.folder)
    return [tuple(row.values()) for row in table.to_pylist()]


def sealed(number: int = 1) -> str:
    blocks = {block: Shared("1/4") for block in formats.BLOCKS}
    domain, keepers, shares = formats.domain_of(SERVICES), ("a" * 16, "b" * 16), ("x", "y")
    return formats.encode(
        SplitReport("bewust-report/1", "2026-W47", "split", domain, SERVICES, blocks, keepers, shares, f"{number:032x}")
    )


def test_valid_lines_become_rows_of_shape_id_and_bits(tmp_path: Path) -> None:
    written(tmp_path, line(1, any="1"), line(2), line(3, period="2026-P11"))
    found = read(tmp_path, scratch=tmp_path / "scratch")
    assert (found.files, found.lines, found.valid, found.skipped) == (1, 3, 3, 0)
    assert rows(found) == [(0, f"{1:032x}", "1" + "0" * 27), (0, f"{2:032x}", "0" * 28), (1, f"{3:032x}", "0" * 28)]


def test_a_layout_says_what_each_bit_means_and_leaves_out_cells_beyond_the_services(tmp_path: Path) -> None:
    found = read(written(tmp_path, line(1)), scratch=tmp_path / "scratch")
    assert [(cell.position, cell.block, cell.cell) for cell in found.layout] == [
        (0, "any", "any"), (1, "service", "chatgpt"), (2, "service", "deepl"), (3, "service", "google-ai-overview"),
        (25, "service", "other"), (26, "internal", "internal"), (27, "reminder", "reminded"),
    ]  # fmt: skip
    assert found.layout[0].flip == pytest.approx(1 / (1 + 2.718281828**0.5), abs=1e-6)


def test_bad_lines_are_counted_and_named_with_file_and_line(tmp_path: Path) -> None:
    file = written(tmp_path, line(1), "hello", "", line(2)[:-9], line(3).replace("chatgpt", "chatgtp"), line(4))
    found = read(file, scratch=tmp_path / "scratch")
    assert (found.valid, found.skipped) == (2, 3)
    assert [each.place for each in found.named] == [f"{file}:{number}" for number in (2, 4, 5)]
    assert found.named[2].why == f"has domain {formats.domain_of(SERVICES)!r}, which is not that of its services"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        pytest.param(sealed(), "is sealed for two keepers", id="a report under split"),
        pytest.param(line(1).replace('"bits":"0"', '"bits":"2"'), "has not 1 bits", id="a bit that is none"),
        pytest.param(line(1) + " ", "is not written as Bewust writes it", id="blanks"),
        pytest.param(line(1, period="2026-P15"), "has period", id="a period that is none"),
        pytest.param(b"\xff\xfe\x00", "is no report", id="no text"),
        pytest.param("x" * 100_000, "is longer than", id="an endless line"),
        pytest.param(
            line(1, epsilon={"any": "1/9999"}), "so much noise that one report outweighs", id="a poisoned flip"
        ),
        pytest.param('{"schema":"bewust-sum/1"}', "is no report (schema 'bewust-sum/1'", id="something else"),
    ],
)
def test_why_a_line_is_skipped_is_said(tmp_path: Path, row: str | bytes, why: str) -> None:
    found = read(written(tmp_path, line(7), row, line(8)), scratch=tmp_path / "scratch")
    assert (found.valid, found.skipped) == (2, 1)
    assert why in found.named[0].why


SECRET = "geheim" * 40


@pytest.mark.parametrize(
    "row",
    [
        f'{{"schema":"bewust-report/1","mechanism":"local","{SECRET}":1}}',
        f'{{"schema":"{SECRET}","mechanism":"{SECRET}"}}',
        line(1).replace('"2026-P12"', f'"{SECRET}"'),
        line(1).replace("1/2", SECRET),
        line(1).replace(formats.domain_of(SERVICES), SECRET),
        line(1).replace('"any":', f'"{SECRET}":'),
        SECRET,
    ],
    ids=["field", "schema", "period", "epsilon", "domain", "block", "text"],
)
def test_no_more_than_forty_characters_of_a_line_are_repeated(tmp_path: Path, row: str) -> None:
    found = read(written(tmp_path, row), scratch=tmp_path / "scratch")
    glimpses = re.findall(r"(?:geheim)+[gehim]*", found.named[0].why)
    assert all(len(glimpse) <= 40 for glimpse in glimpses)
    assert len(found.named[0].why) < 250


def test_control_characters_of_a_line_reach_no_terminal(tmp_path: Path) -> None:
    row = '{"schema":"bewust-report/1","mechanism":"local","\\u001b[2J\\n":1}'
    (skipped,) = read(written(tmp_path, row), scratch=tmp_path / "scratch").named
    assert skipped.why.isprintable()


VALID = line(5, service="1" + "0" * 24).encode()


@given(st.integers(0, len(VALID) - 1), st.integers(0, 255))
def test_a_changed_line_is_valid_exactly_if_the_format_says_so(place: int, byte: int) -> None:
    changed = VALID[:place] + bytes([byte]) + VALID[place + 1 :]
    found = ReportSet(Path())
    reading._Rows(found).add(changed, lambda: "here")
    try:
        formats.decode(changed)
        valid = True
    except ReportError:
        valid = False
    assert (found.valid, found.skipped) == ((1, 0) if valid else (0, 1))


def test_a_flood_of_bad_lines_is_counted_and_only_the_first_are_named(tmp_path: Path) -> None:
    rows_in = [line(n).replace("chatgpt", f"other-{n}") for n in range(reading.NAMED + 50)]
    found = read(written(tmp_path, *rows_in, line(1)), scratch=tmp_path / "scratch")
    assert (found.skipped, len(found.named), found.valid) == (reading.NAMED + 50, reading.NAMED, 1)


def test_more_kinds_of_valid_reports_than_can_be_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "NAMED", 2)
    kinds = [line(n, period=f"2026-P{n:02}") for n in (1, 2, 3)]
    with pytest.raises(FleetError, match="give fewer periods"):
        read(written(tmp_path, *kinds), scratch=tmp_path / "scratch")


def test_folders_are_searched_at_any_depth_for_reports_and_batches_only(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    written(deep, line(1))
    (tmp_path / "a" / "opened.json").write_text(batch({}))
    (tmp_path / "a" / "notes.txt").write_text("no report")
    assert [path.name for path in reading.found([tmp_path, deep])] == ["r.ndjson", "opened.json"]


def test_an_opened_batch_counts_once_and_what_else_is_json_is_named(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_text(batch({"any": [400]}))
    (tmp_path / "warped.json").write_text(batch({"any": [401]}))  # read last
    (tmp_path / "sum.json").write_text('{"schema":"bewust-sum/1"}')
    (tmp_path / "vast.json").write_bytes(b" " * (reading.OPENED_LIMIT + 1))
    (tmp_path / "wild.json").write_text(batch({}, manifest="cd", sd=1e300))
    found = read(tmp_path, scratch=tmp_path / "scratch")
    assert (found.lines, found.skipped, len(found.opened)) == (6, 5, 1)
    assert [cell.estimate for cell in found.batches if cell.block == "any"] == [400.0]
    why = {Path(each.place).name: each.why for each in found.named}
    assert why["two.json"].startswith("is an opened batch that was read already")
    assert why["warped.json"].startswith("has other numbers than a batch of the same reports")
    assert why["sum.json"].startswith("is no opened batch")
    assert why["wild.json"] == "has a number that cannot be"
    assert why["vast.json"] == "is larger than 1 MiB"


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    file = written(tmp_path, line(1))
    found = read(tmp_path / "gone.ndjson", file, scratch=tmp_path / "scratch")
    assert (found.valid, found.skipped) == (1, 1)
    assert found.named[0].why == "cannot be read (No such file or directory)"


def test_no_row_at_all_is_still_something_an_engine_can_read(tmp_path: Path) -> None:
    found = read(tmp_path, scratch=tmp_path / "scratch")
    assert rows(found) == []


def test_rows_of_many_parts_are_all_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PART", 3)
    found = read(written(tmp_path, *map(line, range(8))), scratch=tmp_path / "scratch")
    assert (len(list(found.folder.iterdir())), len(rows(found))) == (3, 8)


def test_progress_goes_up_to_all_files(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    reading.read([written(tmp_path, line(1))], tmp_path, lambda done, total: seen.append((done, total)))
    assert seen == [(0, 1), (1, 1)]
