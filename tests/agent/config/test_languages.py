"""A language is a folder: every shipped one is complete, and a further one is offered everywhere without code."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import bewust_config
from bewust.config import languages as config_languages
from bewust.config.languages import LanguageError

OURS = config_languages.FOLDER
CONFIG = Path(bewust_config.__file__).parent
TESTS = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of our languages, with a further one that is complete: Frisian, made from English."""
    copied = Path(shutil.copytree(OURS, tmp_path / "languages"))
    further(copied)
    return copied


def further(copied: Path) -> Path:
    shutil.copytree(copied / "en", copied / "fy")
    manifest = copied / "fy" / "language.toml"
    text = manifest.read_text("utf-8").replace('"English"', '"Frysk"').replace('"en-US"', '"fy-NL"')
    manifest.write_text(f'fallback = "nl"\n{text}', encoding="utf-8")
    return copied / "fy"


def replaced(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_every_shipped_language_is_complete() -> None:
    assert list(config_languages.problems()) == []
    assert set(config_languages.known()) >= {"nl", "en", "de"}
    assert config_languages.DEFAULT in config_languages.known()
    assert config_languages.reference() == "en"


@pytest.mark.parametrize("part", [*config_languages.PARTS, "reminders"])
@pytest.mark.parametrize("code", config_languages.known())
def test_no_word_is_empty_and_each_file_has_words(code: str, part: str) -> None:
    found = config_languages.words(code, part)
    assert len(found) > 30
    assert [key for key, text in found.items() if not text.strip()] == []


def test_a_further_language_is_found_by_its_folder(folder: Path) -> None:
    assert list(config_languages.known(folder)) == ["de", "en", "fy", "nl"]
    assert config_languages.language("fy", folder).name == "Frysk"
    config_languages.check(folder)


BREAKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a key too few": (
        lambda fy: replaced(fy / "page.toml", "heading = ", "haeding = "),
        "languages/fy/page.toml: now.haeding|languages/fy/page.toml: nothing asks for now.haeding",
    ),
    "another placeholder": (
        lambda fy: replaced(fy / "fleet.toml", "{period}", "{periode}"),
        "languages/fy/fleet.toml: subtitle must fill in {from}, {n}, {period}, {to}",
    ),
    "a text too few": (
        lambda fy: replaced(fy / "reminders.toml", 'id = "R01"', 'id = "R99"'),
        "languages/fy/reminders.toml: text.R01 is missing",
    ),
    "a part too few": (lambda fy: (fy / "adml.toml").unlink(), "languages/fy/adml.toml: category.bewust is missing"),
    "a paper too few": (
        lambda fy: (fy / "papers" / "handbook.md").unlink(),
        "languages/fy/papers/handbook.md: is missing",
    ),
    "no papers at all": (
        lambda fy: shutil.rmtree(fy / "papers"),
        "languages/fy/papers/algorithm-register.md: is missing",
    ),
    "a fallback that is none": (
        lambda fy: replaced(fy / "language.toml", 'fallback = "nl"', 'fallback = "xx"'),
        "languages/fy/language.toml: fallback 'xx' is no language",
    ),
    "fallbacks in a circle": (
        lambda fy: replaced(fy / "language.toml", 'fallback = "nl"', 'fallback = "fy"'),
        "languages/fy/language.toml: fallback 'fy' leads round in a circle",
    ),
    "no fallback": (
        lambda fy: replaced(fy / "language.toml", 'fallback = "nl"', ""),
        "languages/fy/language.toml: names no fallback",
    ),
    "eleven months": (
        lambda fy: replaced(fy / "language.toml", '"January", ', ""),
        "languages/fy/language.toml: months has 11 names",
    ),
    "an unknown key": (
        lambda fy: replaced(fy / "language.toml", "culture", "cultuur"),
        "languages/fy/language.toml: Object",
    ),
    "no TOML": (lambda fy: replaced(fy / "page.toml", "[site]", "[site"), "page.toml: is not TOML"),
    "no UTF-8": (lambda fy: (fy / "page.toml").write_bytes(b"\xff"), "page.toml: cannot be read"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_wrong_is_said_in_one_line_with_file_and_key(folder: Path, name: str) -> None:
    spoil, said = BREAKS[name]
    spoil(folder / "fy")
    with pytest.raises(LanguageError) as error:
        config_languages.check(folder)
    assert any(one in str(error.value) for one in said.split("|"))
    assert "\n" not in str(error.value)


def test_what_is_missing_comes_from_the_fallback_and_its_fallback(folder: Path) -> None:
    replaced(folder / "fy" / "page.toml", "skip = ", "# skip = ")
    nl, en = (config_languages.words(code, "page", folder) for code in ("nl", "en"))
    assert config_languages.words("fy", "page", folder)["site.skip"] == nl["site.skip"]
    replaced(folder / "nl" / "page.toml", "skip = ", "# skip = ")
    config_languages.known.cache_clear()
    assert config_languages.words("fy", "page", folder)["site.skip"] == en["site.skip"]
    (folder / "fy" / "papers" / "handbook.md").unlink()
    assert config_languages.paper("fy", "handbook.md", folder) == config_languages.paper("nl", "handbook.md", folder)
    (folder / "fy" / "reminders.toml").unlink()
    assert config_languages.reminders("fy", folder) is None, "texts are never mixed of two languages"


def test_a_language_or_paper_that_is_nowhere_is_refused() -> None:
    with pytest.raises(LanguageError, match=r"'xx': is none of de, en, nl"):
        config_languages.words("xx", "page")
    with pytest.raises(LanguageError, match=r"languages/de/papers/x.md: is missing"):
        config_languages.paper("de", "x.md")


@pytest.mark.parametrize(
    ("value", "decimals", "written"),
    [(1234567, 0, "1.234.567|1,234,567"), (0.125, 2, "0,12|0.12"), (-1234.5, 1, "-1.234,5|-1,234.5")],
)
def test_a_number_is_written_as_the_language_does(value: float, decimals: int, written: str) -> None:
    assert [config_languages.language(code).number(value, decimals) for code in ("de", "en")] == written.split("|")


# What every consumer offers, asked of each: run with a copy of bewust_config that has a further folder.
ASKS = """
import json, sys
from pathlib import Path
from click.testing import CliRunner
from support.fleets import cell, found
from support.pages import POLICY, served
from bewust.config import languages
from bewust.cli.main import main
from bewust.fleet.html import render
from installer.windows import admx

here = Path(sys.argv[1])
run = lambda *words: CliRunner().invoke(main, [*words], catch_exceptions=False)
with served(here / "page", 'language = "fy"\\n' + POLICY) as page:
    other, own = page.ask("/nl/")[2], page.ask("/fy/rules")[2]
    home = page.ask("/")[1]["location"]
(here / "config").mkdir()
(here / "config" / "policy.toml").write_text('language = "fy"')
papers = run("papers", "--out", str(here / "papers"))
texts = run("--config", str(here / "config"), "texts", "--json")
refused = run("papers", "--out", str(here / "none"), "--language", "xx")
checked = run("policy", "check", str(here / "config"))
admx.write(here / "admx")
print(json.dumps({
    "menu": other, "page": own, "home": home, "papers": sorted(path.name for path in (here / "papers").iterdir()),
    "texts": texts.output, "report": render(found(cell()), "fy"), "refused": refused.output,
    "checked": checked.output, "exit": [papers.exit_code, texts.exit_code, refused.exit_code, checked.exit_code],
    "adml": sorted(path.parent.name for path in (here / "admx").rglob("*.adml")),
}))
"""


def test_a_further_folder_is_offered_everywhere_without_a_line_of_code(tmp_path: Path) -> None:
    package = Path(shutil.copytree(CONFIG, tmp_path / "path" / "bewust_config"))
    fy = further(package / "languages")
    replaced(fy / "page.toml", 'heading = "About the rules"', 'heading = "Oer de regels"')
    replaced(fy / "reminders.toml", "Do not enter", "Fier gjin")
    replaced(fy / "fleet.toml", 'title = "', 'title = "Frysk: ')
    replaced(fy / "papers" / "handbook.md", "# ", "# Frysk: ")
    paths = os.pathsep.join(map(str, (tmp_path / "path", TESTS, TESTS.parent)))
    (tmp_path / "work").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", ASKS, tmp_path / "work"], env=os.environ | {"PYTHONPATH": paths},
        capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["exit"] == [0, 0, 2, 0], said
    assert 'lang="fy" hreflang="fy">Frysk</a>' in said["menu"]
    assert "Oer de regels" in said["page"] and '<html lang="fy">' in said["page"]
    assert "Frysk" in said["page"].split("<main")[1], "the language of reminders, by its own name"
    assert said["home"] == "/fy/"
    assert "handbook.fy.md" in said["papers"] and "dpia-annex.fy.html" in said["papers"]
    assert (tmp_path / "work" / "papers" / "handbook.fy.md").read_text("utf-8").startswith("# Frysk: ")
    assert "Fier gjin" in said["texts"]
    assert "Frysk: " in said["report"] and '<html lang="fy">' in said["report"]
    assert "'xx' is not one of de, en, fy, nl, all" in said["refused"]
    assert said["adml"] == ["de-DE", "en-US", "fy-NL", "nl-NL"]
