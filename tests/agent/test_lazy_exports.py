"""Every package's public face: what it names is there, and naming it costs nothing."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import bewust
from bewust.lazy_exports import lazy_exports

ROOT = Path(bewust.__file__).parent
FACES = sorted(
    ".".join(("bewust", *path.parent.relative_to(ROOT).parts))
    for path in ROOT.rglob("*/__init__.py")
    if "lazy_exports" in path.read_text(encoding="utf-8")
)


def test_there_are_packages_with_a_face() -> None:
    assert {"bewust.catalogue", "bewust.config", "bewust.proxy", "bewust.statistics"} <= set(FACES)


@pytest.mark.parametrize("name", FACES)
def test_all_that_a_package_names_is_there_for_programs_and_for_type_checkers(name: str) -> None:
    package = import_module(name)
    assert package.__file__
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    checked = {
        alias.name: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    for public in package.__all__:
        module = checked[public]
        assert module and module.startswith(f"{name}.")
        assert getattr(package, public) is getattr(import_module(module), public)


def test_a_package_loads_none_of_its_modules() -> None:
    code = f"import sys; import {', '.join(FACES)}; print(*(name for name in sys.modules if name.startswith('bewust')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    packages = {".".join(name.split(".")[:n]) for name in FACES for n in range(1, name.count(".") + 2)}
    assert set(loaded) == packages | {"bewust.lazy_exports"}


@pytest.mark.parametrize("name", ["Nothing", "os", "__path__of__"])
def test_what_a_package_does_not_have_it_does_not_have(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"^module 'bewust.catalogue' has no attribute {name!r}$"):
        lazy_exports("bewust.catalogue", load="loading")(name)
