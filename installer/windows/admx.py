"""The templates for group policy and Intune: Bewust.admx, and its words in every language (.adml).

Belongs here: the keys of the policy as settings. They follow from its JSON Schema, so from the policy's types;
what has no fixed keys (services, contexts, keepers) is set by the one value that holds TOML. Not here: what is
read of the registry (bewust.config.platform_policy). Source: Microsoft's ADMX schema, [MS-GPREG] section 7 and the
"PolicyDefinitions schema" reference.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from bewust.config import json_schema, platform_policy
from bewust.config import languages as config_languages

NAMESPACE = "http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions"
ROOT = "bewust"  # the category; its others are the policy's tables
_HEAD = {"xmlns": NAMESPACE, "revision": "1.0", "schemaVersion": "1.0"}

type Node = Mapping[str, Any]


def write(folder: Path) -> None:
    """Write the template and its words, as they lie in a PolicyDefinitions folder."""
    _write(folder / "Bewust.admx", template())
    for code, language in config_languages.known().items():
        _write(folder / language.culture / "Bewust.adml", resources(code))


def keys(schema: Node | None = None) -> dict[str, Node]:
    """Return each key of a policy that a single registry value can hold, dotted, with what its type says."""
    whole = json_schema.schema() if schema is None else schema
    return dict(_keys(whole, whole["$defs"], ""))


def _keys(node: Node, definitions: Node, below: str) -> Iterator[tuple[str, Node]]:
    for name, inner in node.get("properties", {}).items():
        if "$ref" in inner:
            yield from _keys(definitions[inner["$ref"].rpartition("/")[2]], definitions, f"{below}{name}.")
        elif inner.get("type") == "object":
            yield from _keys(inner, definitions, f"{below}{name}.")
        elif "$ref" not in inner.get("items", {}):  # a list of tables is for TOML
            yield below + name, inner


def template() -> Element:
    """Return the .admx: every setting with its registry value, and no words."""
    root = Element("policyDefinitions", _HEAD)
    SubElement(SubElement(root, "policyNamespaces"), "target", {"prefix": "bewust", "namespace": "Bewust.Policies"})
    SubElement(root, "resources", {"minRequiredRevision": "1.0"})
    definitions = SubElement(SubElement(root, "supportedOn"), "definitions")
    SubElement(definitions, "definition", {"name": "SUPPORTED", "displayName": "$(string.general_supported)"})
    categories = SubElement(root, "categories")
    for name in _names(config_languages.words(config_languages.reference(), "adml"), "category"):
        category = SubElement(categories, "category", {"name": name, "displayName": f"$(string.category_{name})"})
        if name != ROOT:
            SubElement(category, "parentCategory", {"ref": ROOT})
    policies = SubElement(root, "policies")
    for key, node in keys().items():
        table = key.partition(".")[0]
        _setting(policies, key, node, table if "." in key else ROOT)
    _setting(policies, platform_policy.TEXT, {"type": "array"}, ROOT)
    return root


def _setting(policies: Element, key: str, node: Node, category: str) -> None:
    name = key.replace(".", "_")
    about = {"name": name, "class": "Machine", "displayName": f"$(string.{name})",
             "explainText": f"$(string.{name}_about)", "key": platform_policy.KEY}  # fmt: skip
    yes_or_no = node.get("type") == "boolean"
    about |= {"valueName": key} if yes_or_no else {"presentation": f"$(presentation.{name})"}
    policy = SubElement(policies, "policy", about)
    SubElement(policy, "parentCategory", {"ref": category})
    SubElement(policy, "supportedOn", {"ref": "SUPPORTED"})
    if yes_or_no:
        SubElement(SubElement(policy, "enabledValue"), "decimal", {"value": "1"})
        SubElement(SubElement(policy, "disabledValue"), "decimal", {"value": "0"})
        return
    elements = SubElement(policy, "elements")
    value = {"id": name, "valueName": key}
    if "enum" in node:
        choice = SubElement(elements, "enum", value | {"required": "true"})
        for item in node["enum"]:
            one = SubElement(choice, "item", {"displayName": f"$(string.{name}_{item})"})
            SubElement(SubElement(one, "value"), "string").text = item
    elif node["type"] == "integer":
        limits = {"minValue": str(node["minimum"]), "maxValue": str(node["maximum"])}
        SubElement(elements, "decimal", value | limits | {"required": "true"})
    else:
        SubElement(elements, {"array": "multiText", "string": "text"}[node["type"]], value | {"required": "true"})


def resources(language: str) -> Element:
    """Return the .adml of a language: the words of every setting, and how its value is asked for."""
    said = config_languages.words(language, "adml")
    root = Element("policyDefinitionResources", _HEAD)
    SubElement(root, "displayName").text = "Bewust"
    SubElement(root, "description").text = said[f"category.{ROOT}"]
    inside = SubElement(root, "resources")
    table = SubElement(inside, "stringTable")
    shown = SubElement(inside, "presentationTable")
    for name in _names(said, "category"):
        _string(table, f"category_{name}", said[f"category.{name}"])
    _string(table, "general_supported", said["general.supported"])
    for key, node in keys().items():
        _words(table, shown, key, node, said)
    _string(table, platform_policy.TEXT, said["policy.name"])
    _string(table, f"{platform_policy.TEXT}_about", said["policy.about"])
    _asked(shown, platform_policy.TEXT, {"type": "array"}, said["general.toml"])
    return root


def _words(table: Element, shown: Element, key: str, node: Node, said: Mapping[str, str]) -> None:
    name = key.replace(".", "_")
    about = said.get(f"about.{key}") or f"{node['description'][:1].upper()}{node['description'][1:]}."
    ours = json.dumps(node.get("default", ""), ensure_ascii=False)
    lines = [about, "", f"{said['general.key']} {key}", f"{said['general.ours']} {ours}"]
    _string(table, name, said[f"key.{key}"])
    _string(table, f"{name}_about", "\n".join(lines))
    for item in node.get("enum", ()):
        _string(table, f"{name}_{item}", item)
    if node.get("type") != "boolean":
        _asked(shown, name, node, said["general.lines" if node.get("type") == "array" else "general.value"])


def _asked(shown: Element, name: str, node: Node, label: str) -> None:
    """Add the field that a value is typed into. A list's field has no label of its own."""
    asked = SubElement(shown, "presentation", {"id": name})
    if "enum" in node:
        SubElement(asked, "dropdownList", {"refId": name, "noSort": "true", "defaultItem": "0"}).text = label
    elif node["type"] == "integer":
        SubElement(asked, "decimalTextBox", {"refId": name, "defaultValue": str(node["default"])}).text = label
    elif node["type"] == "array":
        SubElement(asked, "text").text = label
        SubElement(asked, "multiTextBox", {"refId": name, "defaultHeight": "8"})
    else:
        box = SubElement(asked, "textBox", {"refId": name})
        SubElement(box, "label").text = label
        if node.get("default"):
            SubElement(box, "defaultValue").text = node["default"]


def _names(said: Mapping[str, str], table: str) -> list[str]:
    """Return the names of what a table of words speaks of."""
    return [key.removeprefix(f"{table}.") for key in said if key.startswith(f"{table}.")]


def _string(table: Element, name: str, text: str) -> None:
    SubElement(table, "string", {"id": name}).text = text


def _write(file: Path, root: Element) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.indent(root)
    file.write_bytes(ElementTree.tostring(root, "utf-8", xml_declaration=True) + b"\n")
