"""The files of `bewust papers`: whole, the same every time, and nothing else is touched."""

import json
from pathlib import Path

import pytest

from bewust.config import languages as config_languages
from bewust.config.rules import load_rules
from bewust.papers.rendering import PAPERS
from bewust.papers.writing import SBOM, PapersError, write

RULES = load_rules(None)


def test_each_paper_in_both_forms_and_languages_and_the_bill(tmp_path: Path) -> None:
    written = write(RULES, tmp_path / "new" / "papers", list(config_languages.known()))
    expected = {
        f"{paper}.{language}.{form}"
        for paper in PAPERS
        for language in config_languages.known()
        for form in ("html", "md")
    }
    assert {path.name for path in written} == expected | {SBOM}
    assert set(written) == set((tmp_path / "new" / "papers").iterdir())
    assert json.loads((tmp_path / "new" / "papers" / SBOM).read_bytes())["specVersion"] == "1.6"


def test_the_same_configuration_makes_the_same_bytes_over_older_ones(tmp_path: Path) -> None:
    first = {path: path.read_bytes() for path in write(RULES, tmp_path, ["nl"])}
    (tmp_path / "handbook.nl.md").write_text("older, and much longer" * 10_000)
    (tmp_path / "notes.md").write_text("mine")
    assert {path: path.read_bytes() for path in write(RULES, tmp_path, ["nl"])} == first
    assert (tmp_path / "notes.md").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == len(first) + 1


def test_a_link_is_replaced_and_what_it_leads_to_is_not(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / SBOM).symlink_to(tmp_path / "elsewhere")
    write(RULES, tmp_path / "out", ["en"])
    assert (tmp_path / "elsewhere").read_text() == "mine"


def test_a_place_that_is_taken_by_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "handbook.nl.md").mkdir()
    with pytest.raises(PapersError, match=r"handbook\.nl\.md: cannot be written \(.*\)\. Check it and its folder\."):
        write(RULES, tmp_path, ["nl"])
    assert not list(tmp_path.glob(".bewust-*"))
    (tmp_path / "file").write_text("")
    with pytest.raises(PapersError, match=r"cannot be made \(.*\)\. Choose another with --out\."):
        write(RULES, tmp_path / "file" / "papers", ["nl"])
