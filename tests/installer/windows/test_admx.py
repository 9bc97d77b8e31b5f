"""The templates of group policy are those of the policy's types, and lead to values that managed.py reads."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from bewust.config import languages as config_languages
from bewust.config import layers, platform_policy, policy
from bewust.config.policy import Policy
from installer.windows import admx

NS = {"p": admx.NAMESPACE}
CULTURES = [one.culture for one in config_languages.known().values()]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Element]:
    folder = tmp_path_factory.mktemp("PolicyDefinitions")
    admx.write(folder)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.adm?")}
    return {name: ElementTree.parse(path).getroot() for name, path in files.items()}


def policies(template: Element) -> dict[str, Element]:
    return {one.get("name", ""): one for one in template.findall("p:policies/p:policy", NS)}


def test_there_is_a_template_and_its_words_in_every_language(written: Mapping[str, Element]) -> None:
    assert set(written) == {"Bewust.admx", *(f"{one.culture}/Bewust.adml" for one in config_languages.known().values())}
    assert len(CULTURES) == len(written) - 1 >= 3


def test_every_key_of_the_policy_is_a_setting_or_is_set_by_toml(written: Mapping[str, Element]) -> None:
    valued = {
        node.get("valueName") for node in written["Bewust.admx"].iter() if node.get("valueName") is not None
    }  # fmt: skip
    assert valued == {*admx.keys(), platform_policy.TEXT}
    # Of the types themselves, without the way through the schema.
    of_types = {key for key, _ in layers.leaves(policy.as_table(Policy()))}
    tables = {"release.keepers"}
    assert {key for key in of_types if not key.startswith(("service.", "fill."))} - tables <= valued


@pytest.mark.parametrize("language", config_languages.known())
def test_every_key_has_a_name_and_is_explained_in_the_language(language: str) -> None:
    said = config_languages.words(language, "adml")
    assert {key.removeprefix("key.") for key in said if key.startswith("key.")} == set(admx.keys())
    explained = {key.removeprefix("about.") for key in said if key.startswith("about.")}
    # The reference is English, and so are the comments of policy.toml, which are its explanation.
    assert explained == (set() if language == config_languages.reference() else set(admx.keys()))


def test_every_setting_is_in_the_key_that_is_read(written: Mapping[str, Element]) -> None:
    for one in policies(written["Bewust.admx"]).values():
        assert one.get("key") == platform_policy.KEY == r"Software\Policies\Bewust"
        assert one.get("class") == "Machine"


# What the editor writes for each kind of element ([MS-GPREG] 2.2, "registry policy file format").
WRITES = {"text": 1, "enum": 1, "decimal": 4, "multiText": 7}


class Registry:
    def __init__(self, values: list[tuple[str, Any, int]]) -> None:
        self._values = values

    def values(self, key: str) -> list[tuple[str, Any, int]]:
        assert key == platform_policy.KEY
        return self._values

    def keys(self, key: str) -> list[str]:
        return []


def test_what_the_editor_writes_is_read_as_the_policy(written: Mapping[str, Element]) -> None:
    """Every setting enabled with its default, and the policy that comes out is the default one."""
    defaults = dict(layers.leaves(policy.as_table(Policy())))
    values: list[tuple[str, Any, int]] = []
    for one in policies(written["Bewust.admx"]).values():
        element = next(iter(one.findall("p:elements/*", NS)), None)
        key = one.get("valueName") if element is None else element.get("valueName")
        if key == platform_policy.TEXT or key not in defaults or defaults[key] in ("", [], {}):
            continue
        kind = 4 if element is None else WRITES[element.tag.rpartition("}")[2]]
        data = int(defaults[key]) if kind == 4 else defaults[key]
        values.append((key, data, kind))
    assert len(values) > 15
    found = policy.load_over([policy._typed(layer) for layer in platform_policy.of_registry(Registry(values))])
    assert found == Policy()


def test_toml_in_lines_is_read_too() -> None:
    (layer,) = platform_policy.of_registry(
        Registry([(platform_policy.TEXT, ["[service.chatgpt]", 'status = "contracted"'], 7)])
    )
    assert layer.table == {"service": {"chatgpt": {"status": "contracted"}}}


@pytest.mark.parametrize("language", CULTURES)
def test_every_word_and_field_that_is_named_is_there(written: Mapping[str, Element], language: str) -> None:
    template, words = written["Bewust.admx"], written[f"{language}/Bewust.adml"]
    named = re.findall(r"\$\((string|presentation)\.(\w+)\)", ElementTree.tostring(template, "unicode"))
    strings = {node.get("id"): node.text for node in words.iterfind(".//p:string", NS)}
    fields = {node.get("id"): node for node in words.iterfind(".//p:presentation", NS)}
    assert {name for kind, name in named if kind == "string"} == set(strings)
    assert {name for kind, name in named if kind == "presentation"} == set(fields)
    assert all(strings.values())
    shown = {"text": "textBox", "enum": "dropdownList", "decimal": "decimalTextBox", "multiText": "multiTextBox"}
    for name, one in policies(template).items():
        for element in one.findall("p:elements/*", NS):
            kind = shown[element.tag.rpartition("}")[2]]
            assert [n.get("refId") for n in fields[name].iter() if n.get("refId")] == [element.get("id")]
            assert fields[name].find(f"p:{kind}", NS) is not None


# Children of each element, in order, and attributes that must be: Microsoft's "PolicyDefinitions schema" reference.
ORDER = {
    "policyDefinitions": ["policyNamespaces", "resources", "supportedOn", "categories", "policies"],
    "policy": ["parentCategory", "supportedOn", "enabledValue", "disabledValue", "elements"],
    "policyDefinitionResources": ["displayName", "description", "resources"],
    "resources": ["stringTable", "presentationTable"],
    "textBox": ["label", "defaultValue"],
}
NEEDED = {
    "policyDefinitions": {"revision", "schemaVersion"}, "policyDefinitionResources": {"revision", "schemaVersion"},
    "target": {"prefix", "namespace"}, "definition": {"name", "displayName"}, "category": {"name", "displayName"},
    "policy": {"name", "class", "displayName", "explainText", "key"}, "parentCategory": {"ref"},
    "text": set(), "multiText": {"id", "valueName"}, "decimal": set(), "enum": {"id", "valueName"},
    "item": {"displayName"}, "string": set(), "presentation": {"id"}, "multiTextBox": {"refId"},
    "textBox": {"refId"}, "dropdownList": {"refId"}, "decimalTextBox": {"refId"},
}  # fmt: skip


@pytest.mark.parametrize("name", ["Bewust.admx", *(f"{one}/Bewust.adml" for one in CULTURES)])
def test_elements_stand_as_the_schema_wants_them(written: Mapping[str, Element], name: str) -> None:
    for node in written[name].iter():
        assert node.tag.startswith(f"{{{admx.NAMESPACE}}}")
        kind = node.tag.rpartition("}")[2]
        assert NEEDED.get(kind, set()) <= set(node.attrib), (kind, node.attrib)
        if kind in ORDER:
            found = [child.tag.rpartition("}")[2] for child in node]
            assert found == [one for one in ORDER[kind] if one in found]
        if kind in ("policy", "category"):  # itemName: no space and no colon
            assert re.fullmatch(r"[A-Za-z0-9_]+", node.get("name", ""))


def test_every_category_that_is_named_is_there(written: Mapping[str, Element]) -> None:
    there = {node.get("name") for node in written["Bewust.admx"].iterfind(".//p:category", NS)}
    named = {node.get("ref") for node in written["Bewust.admx"].iterfind(".//p:parentCategory", NS)}
    assert named == there


def test_the_same_sources_give_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        admx.write(tmp_path / name)
    for path in (tmp_path / "one").rglob("*.adm?"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
