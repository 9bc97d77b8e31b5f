"""What the documentation shows is true: its examples are read, checked and tried."""

import ast
import re
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import get_args

import msgspec
import pytest
import tomli
from click.testing import CliRunner

from bewust.catalogue import lint as catalogue_lint
from bewust.catalogue import loading
from bewust.cli.inspect import RecordingInspector
from bewust.cli.main import main
from bewust.config import layers
from bewust.config.policy import Policy
from bewust.detection.recordings import Exchange
from bewust.detection.requests import observe
from bewust.doctor.finding import Id
from bewust.durations import encode
from bewust.proxy import connection, quota
from bewust.sessions import server

DOCS = Path(__file__).parents[1] / "docs"


def blocks(name: str, language: str) -> list[str]:
    text = (DOCS / name).read_text(encoding="utf-8")
    return [match[1] for match in re.finditer(rf"```{language}\n(.*?)```", text, re.DOTALL)]


def test_the_entry_in_the_catalogues_document_can_be_read() -> None:
    (service,) = loading.parse(blocks("catalogue.md", "toml")[0], "catalogue.md")
    assert service.signatures[0].response is not None


def test_the_signature_of_ten_minutes_works_as_its_document_says(tmp_path: Path) -> None:
    entry, rows = blocks("signature.md", "toml")
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "example.toml").write_text(entry, encoding="utf-8")
    services, mistakes = loading.load_with_mistakes(tmp_path)
    assert not mistakes
    assert not [f for f in catalogue_lint.lint(services, date(2026, 11, 24)) if "example" in f.file]
    bench = RecordingInspector.load(tmp_path, None)
    for page in tomli.loads(rows)["page"]:
        exchange = Exchange(0, observe("GET", page["url"]), type="text/html", status=200, body=page["body"].encode())
        found = bench.examine(exchange)
        assert (found.level.value if found else "none") == page["verdict"], page["why"]


@pytest.mark.parametrize(
    "command",
    [c for block in blocks("catalogue.md", "console") for c in re.findall(r"^bewust (.*?)(?:\s+#.*)?$", block, re.M)],
)
def test_the_keepers_commands_exist_and_run(command: str) -> None:
    result = CliRunner().invoke(main, [part.strip("'") for part in command.split()])
    assert result.exit_code in (0, 1), result.output  # 1: a check found something, one day
    assert result.stdout


@pytest.mark.parametrize("number", range(2))
def test_the_policies_in_the_document_are_right(number: int, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(blocks("policy.md", "toml")[number], encoding="utf-8")
    assert CliRunner().invoke(main, ["policy", "check", str(file)]).exit_code == 0


def test_every_key_of_a_policy_is_in_its_document() -> None:
    text = (DOCS / "policy.md").read_text(encoding="utf-8")
    for key, _ in layers.leaves(msgspec.to_builtins(Policy(), enc_hook=encode)):
        assert re.search(rf"\b{key.rpartition('.')[2]}\b", text), key


@pytest.mark.parametrize("command", re.findall(r"^bewust (.*?)(?:\s+#.*)?$", blocks("policy.md", "console")[0], re.M))
def test_the_commands_for_policies_exist_and_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.toml").write_text("", encoding="utf-8")
    result = CliRunner().invoke(main, command.split())
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout


def test_a_catalogue_on_its_own_goes_the_way_of_its_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = Path(str(files("bewust_config")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BEWUST_SIGNING_PASSPHRASE", "five words nobody else knows")
    (tmp_path / "state").mkdir()
    (tmp_path / "config").mkdir()
    said = []
    for command in re.findall(r"^bewust (.*?)(?:\s+#.*)?$", blocks("catalogue.md", "sh")[0], re.MULTILINE):
        options = ["--state", "state", "--config", "config"]
        result = CliRunner().invoke(main, [*options, *command.replace("DIR", str(shipped)).split()])
        assert result.exit_code == 0, result.output
        said.append(result.stdout)
        if "keygen" in command:
            (tmp_path / "config" / "policy.toml").write_text(result.stdout)
    assert [text.split(":")[0] for text in said[2:]] == ["In force", "imported", "In force"]


@pytest.mark.parametrize("name", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_between_documents_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (DOCS / name).read_text(encoding="utf-8")):
        assert (DOCS / target).exists(), target


def test_the_keys_of_an_entry_are_all_in_the_document() -> None:
    text = (DOCS / "catalogue.md").read_text(encoding="utf-8")
    for raw in ("_RawService", "_RawSignature", "_RawContent"):
        kind = vars(__import__("bewust.catalogue.entries", fromlist=["schema"]))[raw]
        for field in msgspec.structs.fields(kind):
            if field.name not in ("file", "line", "signature"):
                assert re.search(rf"\b{field.name}\b", text), f"{raw}.{field.name}"


def test_every_finding_of_the_doctor_is_in_its_document_once() -> None:
    text = (DOCS / "doctor.md").read_text(encoding="utf-8")
    table = text[text.index("## What each finding means") : text.index("## Three things")]
    assert sorted(re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.M)) == sorted(get_args(Id))


NAMED = re.findall(r"`(tests/[^`:]+\.py)::(\w+)`", (DOCS / "security.md").read_text(encoding="utf-8"))


def test_every_row_of_the_threat_model_names_a_test() -> None:
    rows = re.findall(r"^\| (?!who \||---)(.+) \|$", (DOCS / "security.md").read_text("utf-8").split("## ")[1], re.M)
    assert len(rows) >= 15
    assert all("::test_" in row for row in rows)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_the_threat_model_names_is_there(file: str, name: str) -> None:
    tree = ast.parse((DOCS.parent / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_limits_in_the_security_document_are_those_of_the_code() -> None:
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    said = re.findall(r"^\| (connections to the proxy|connections to the page|sessions) \| (.*) \|", text, re.M)
    numbers = {name: [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", row)] for name, row in said}
    assert numbers["connections to the proxy"] == [quota.MAX_CONNECTIONS, quota.MAX_CONNECTIONS // quota.SHARE]
    assert numbers["connections to the page"] == [connection.PAGES, 503]
    assert numbers["sessions"] == [server.SESSIONS_EACH, server.SESSIONS_LIMIT, server.BURST]
