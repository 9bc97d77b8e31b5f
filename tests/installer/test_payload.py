"""What is left out of a package, and that the rest stays. A whole payload: make packages."""

import tomllib
from pathlib import Path

from installer import payload


def test_what_nobody_uses_goes_and_the_rest_stays(tmp_path: Path) -> None:
    kept = ["bewust/app.py", "mitmproxy/proxy/layers/tls.py", "rich/table.py", "bewust_config/texts/nl.toml"]
    gone = ["pip/__init__.py", "mitmproxy/tools/web/master.py", "ldap3/tests/x.py", "a/b.pyi", "bin/mitmdump"]
    for name in kept + gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    payload.prune(tmp_path)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == sorted(kept)


def test_what_is_left_out_is_not_imported_by_any_process_of_ours() -> None:
    import subprocess
    import sys

    unused = [name.replace("/", ".") for name in payload.UNUSED if "-" not in name]
    for module in ("bewust_addons.run", "bewust_addons.flowfile", "bewust.app", "bewust.tables", "bewust.page"):
        code = f"import sys, {module}; print(sorted(set(sys.modules) & set({unused!r})))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]", module


def test_the_version_is_the_products() -> None:
    from bewust import __version__

    assert payload.version() == __version__
    with (payload.ROOT / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["version"] == __version__


def test_sources_are_compiled_and_stay(tmp_path: Path) -> None:
    import sys

    (tmp_path / "a.py").write_text("x = 1\n")
    payload.compiled(sys.executable, tmp_path)
    assert (tmp_path / "a.py").exists() and list(tmp_path.glob("__pycache__/a.*.pyc"))
