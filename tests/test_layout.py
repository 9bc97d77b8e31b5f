"""The tree keeps its promises: every source has its test, which needs nothing beside the repository."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
import tomli

ROOT = Path(__file__).parents[1]
MIRRORED = {
    "agent/bewust": "tests/agent",
    "addons/bewust_addons": "tests/addons",
    "config/bewust_config": "tests/config",
    "installer": "tests/installer",
}
SOURCES = sorted(
    path for folder in MIRRORED for path in (ROOT / folder).rglob("*.py") if path.name != "__init__.py"
)  # fmt: skip
# What only calls Windows is tried under Wine, by tests/packages/windows.py.
ON_WINDOWS = {f"agent/bewust/admin/windows/{name}.py" for name in ("calls", "system", "roots", "services")}
PROTOCOLS = {"agent/bewust/sessions/guests.py"}  # what a type checker tests
TESTS = sorted((ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize(
    "source",
    [path for path in SOURCES if str(path.relative_to(ROOT)) not in ON_WINDOWS | PROTOCOLS],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_source_has_its_test(source: Path) -> None:
    sources, tests = next(pair for pair in MIRRORED.items() if source.is_relative_to(ROOT / pair[0]))
    below = source.relative_to(ROOT / sources).parent
    assert (ROOT / tests / below / f"test_{source.name}").exists()


# From the file itself, or from the HERE that is its folder, upwards.
UPWARDS = re.compile(r"(?<![\w.])(Path\(__file__\)(?:\.resolve\(\))?|HERE)((?:\.parents\[\d+\]|\.parent\b)+)")


@pytest.mark.parametrize("test", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_test_needs_what_lies_beside_the_repository(test: Path) -> None:
    for begins, steps in UPWARDS.findall(test.read_text(encoding="utf-8")):
        reached = test if begins.startswith("Path") else test.parent
        for step in re.findall(r"parents\[(\d+)\]|parent\b", steps):
            reached = reached.parents[int(step or 0)]
        assert reached.is_relative_to(ROOT), f"{begins}{steps}"


# The rest is given the time, so that a test can give it any: `make test-dates` runs them all on other days.
CLOCKS = {
    "agent/bewust/daemon/status.py",
    "agent/bewust/daemon/app.py",
    "agent/bewust/authority/authority.py",
    "agent/bewust/cli/authority.py",
    "agent/bewust/cli/catalogue_bundles.py",
    "agent/bewust/cli/catalogue.py",
    "agent/bewust/config/rules.py",
    "agent/bewust/daemon/state.py",
    "agent/bewust/system/clock.py",
    "addons/bewust_addons/connection.py",
    "addons/bewust_addons/tls_gate.py",
}
WALL_CLOCK = re.compile(r"\b(?:datetime\.now|datetime\.utcnow|date\.today|time\.time|time\.time_ns|time\.localtime)\(")


def test_the_wall_clock_is_read_in_few_places() -> None:
    reading = {
        str(path.relative_to(ROOT)) for path in SOURCES
        if WALL_CLOCK.search(path.read_text(encoding="utf-8")) and not path.is_relative_to(ROOT / "installer")
    }  # fmt: skip
    assert reading == CLOCKS


PACKAGES = sorted(path for root in ("agent", "addons", "config") for path in (ROOT / root).rglob("__init__.py"))
FOLDER_FILES = 15  # more, and a reader looks in vain for an order


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_says_what_it_is_for(package: Path) -> None:
    assert ast.get_docstring(ast.parse(package.read_text(encoding="utf-8")))


def test_no_folder_is_a_heap() -> None:
    assert max(Counter(path.parent for path in SOURCES).values()) <= FOLDER_FILES


def test_the_architecture_page_has_every_package_and_leaf_in_the_order_that_is_checked() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    levels = project["tool"]["importlinter"]["contracts"][0]["layers"]
    assert len(levels) <= 12
    drawn = text[text.index("## The levels") : text.index("## The packages")]
    said = [re.findall(r"`(\w+)/?`", line) for line in drawn.splitlines() if re.match(r"\| \d", line)]
    assert [set(re.findall(r"\w+", level)) for level in levels] == [set(names) for names in said]
    described = set(re.findall(r"^\| `(\w+)/?` \|", text[text.index("## The packages") :], re.M))
    top = {path.parent.name for path in (ROOT / "agent/bewust").glob("*/__init__.py")}
    assert described == top | {path.stem for path in (ROOT / "agent/bewust").glob("[a-z]*.py")}


def test_the_paths_of_the_architecture_page_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for name in re.findall(r"`([\w/]+\.py)`", text):
        places = (ROOT / folder / name for folder in ("", "agent", "agent/bewust", "addons"))
        assert any(place.exists() for place in places), name


def test_the_readme_leads_developers_to_the_architecture_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r"^- Developers: .*\]\(docs/architecture\.md\)", readme, re.M)


@pytest.mark.parametrize("test", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_test_imports_from_another(test: Path) -> None:
    """What several need is in tests/support/."""
    text = test.read_text(encoding="utf-8")
    assert not re.findall(r"^\s*(?:from|import) (?:\w+\.)*test_\w+", text, re.MULTILINE)
