"""The tree keeps its promises: every source has its test, no file and no function grows too long."""

import ast
from pathlib import Path

import pytest

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
ON_WINDOWS = {f"windows_{name}.py" for name in ("calls", "machine", "roots", "services")}
FILE_LINES, FUNCTION_LINES = 340, 45


@pytest.mark.parametrize(
    "source", [path for path in SOURCES if path.name not in ON_WINDOWS], ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_source_has_its_test(source: Path) -> None:
    sources, tests = next(pair for pair in MIRRORED.items() if source.is_relative_to(ROOT / pair[0]))
    below = source.relative_to(ROOT / sources).parent
    assert any((ROOT / tests / folder / f"test_{source.name}").exists() for folder in (below, "."))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_can_be_read_in_one_sitting(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    assert text.count("\n") <= FILE_LINES
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    too_long = [f.name for f in functions if f.end_lineno and f.end_lineno - f.lineno + 1 > FUNCTION_LINES]
    assert not too_long
