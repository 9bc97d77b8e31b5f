"""The schema that editors get: current, explained, and never stricter than Bewust."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomli

from bewust.config import json_schema, policy

SCHEMA = json_schema.schema()
EDITOR = jsonschema.Draft202012Validator(SCHEMA)
KEPT = Path(__file__).parents[3] / "docs" / "policy.schema.json"


def accepted(text: str) -> bool:
    return bool(EDITOR.is_valid(tomli.loads(text)))


def test_the_schema_in_docs_is_the_one_of_this_version() -> None:
    assert KEPT.read_text("utf-8") == json_schema.text(), "bewust policy schema > docs/policy.schema.json"


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert "$id" not in SCHEMA


def properties(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        yield from node.get("properties", {}).items()
        for inner in node.values():
            yield from properties(inner)


def test_every_key_is_explained_and_none_may_be_null() -> None:
    found = list(properties(SCHEMA))
    assert len(found) > 50
    assert [name for name, node in found if not node.get("description")] == []
    assert "null" not in json_schema.text()


@pytest.mark.parametrize("name", ["policy.toml", *(f"policies/{n}.toml" for n in ("gemeente", "ministerie"))])
def test_an_editor_marks_nothing_in_our_own_policies(name: str) -> None:
    assert accepted(files("bewust_config").joinpath(name).read_text("utf-8"))


WRONG = [
    'langauge = "nl"', "language = 1", 'flush = "soon"', "[reminders]\ndaily = 101", "[reminders]\nsilent = 1",
    '[reminders]\nquiet = ["18-8"]', '[reminders]\nback_off = ["later"]', '[reminders.context.serach]\ngap = "1h"',
    '[reminders.context.search]\ngap = "x"', '[page]\nguidelines = "http://x.nl"', '[release]\nservices = ["a", "a"]',
    '[release.epsilon]\nweek = "1/2"', '[release.epsilon]\nany = "0.5"', '[[release.keepers]]\nname = "x"',
    '[service.x]\nstatus = "forbidden"', '[service.x]\ndepth = "deep"', '[network]\nupstream = "https://p.example:1"',
    'internal_hosts = ["https://x.nl"]', "[fill]\ncontact = 1",
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_an_editor_marks_is_a_mistake(text: str, tmp_path: Path) -> None:
    assert not accepted(text)
    (tmp_path / "policy.toml").write_text(text, encoding="utf-8")
    with pytest.raises(policy.PolicyError):
        policy.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    ['[service.chatgpt]\nstatus = "conditional"\ndepth = "request"', '[fill]\nown = "x"', '[reminders]\nquiet = []',
     '[reminders.context.chat]\ngap = " 1.5 h "\ndaily = 0', 'flush = "1h"\n[network]\nupstream = ""'],
)  # fmt: skip
def test_an_editor_accepts_what_is_right(text: str, tmp_path: Path) -> None:
    assert accepted(text)
    (tmp_path / "policy.toml").write_text(text, encoding="utf-8")
    policy.load(tmp_path)


def test_the_schema_is_printed_as_json_with_the_dutch_and_the_signs_as_they_are() -> None:
    assert json.loads(json_schema.text()) == SCHEMA
    assert "\\u" not in json_schema.text()
