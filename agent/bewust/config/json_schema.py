"""The JSON Schema of a policy, for editors: from the types of policy.py and the comments of our policy.toml.

Belongs here: putting the two together. Not here: the patterns of values, which stand beside their checks
(checks). The schema is never stricter than Bewust itself.

Source: the keywords are those of JSON Schema 2020-12, as far as editors of TOML know them.
"""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import msgspec

from bewust.config.policy import Policy, ReminderRules
from bewust.durations import Duration, encode
from bewust.model import Context

_SECTION = re.compile(r"\[+([\w.-]+)\]+(?:\s+# (\S.*))?")
_KEY = re.compile(r"(\w+) = .*?\s# (\S.*)")

_NOTHING: tuple[tuple[str, Any], ...] = (("default", None), ("required", []))  # what says nothing

type Node = dict[str, Any]


def text() -> str:
    """Return the schema as it is printed, and as docs/policy.schema.json holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> Node:
    """Return the schema as one JSON object."""
    definitions: Node = msgspec.to_builtins(msgspec.json.schema(Policy, schema_hook=_custom)["$defs"])
    definitions = {name: _plain(node) for name, node in definitions.items()}
    policy = definitions.pop(Policy.__name__)
    for owner, made in ((policy, Policy()), (definitions[ReminderRules.__name__], ReminderRules())):
        _defaults(owner, made)
    shipped = files("bewust_config").joinpath("policy.toml").read_text("utf-8")
    for path, comment in _comments(shipped):
        _key(policy, definitions, path)["description"] = comment
    for owner in (policy, *definitions.values()):
        for node in owner.get("properties", {}).values():
            if "description" not in node:  # what its type says of itself
                node["description"] = _target(node.get("additionalProperties", node), definitions)["description"]
    del definitions[Context.__name__]  # its words are listed where they are keys
    about = "The policy of Bewust. docs/policy.md explains every key."
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Bewust policy"}
    result: Node = head | policy | {"title": "Bewust policy", "description": about, "$defs": definitions}
    return result


def _custom(kind: type) -> Node:
    """Return the schema of a type that is not msgspec's own: all of ours are written as a text."""
    assert issubclass(kind, Duration)
    return {"type": "string"}


def _defaults(owner: Node, made: msgspec.Struct) -> None:
    """Add the defaults that msgspec cannot write by itself, those of a type of ours."""
    for name, value in msgspec.json.decode(msgspec.json.encode(made, enc_hook=encode)).items():
        if value is not None:
            owner["properties"][name].setdefault("default", value)


def _comments(toml: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield path and comment of each section and key of a file, also of those that are examples behind a #."""
    section: tuple[str, ...] = ()
    above: list[str] = []
    for line in toml.splitlines():
        written = line.removeprefix("# ")
        if found := _SECTION.match(written):
            section = tuple(found[1].split("."))
            if found[2] or (above and len(section) == 1):
                yield section, found[2] or " ".join(above)
        elif found := _KEY.match(written):
            yield (*section, found[1]), found[2]
        above = [*above, written] if line.startswith("# ") and not found else []


def _key(root: Node, definitions: Mapping[str, Node], path: tuple[str, ...]) -> Node:
    """Return the node of a key. In a table whose keys are names, such as ids, all of them share one."""
    node = root
    for part in path:
        node = _target(node, definitions)
        named = node.get("additionalProperties")
        if not named:
            node = node["properties"][part]
        elif "$ref" in named:
            node = named
        else:
            node = node.setdefault("properties", {}).setdefault(part, dict(named))
    return node


def _target(node: Node, definitions: Mapping[str, Node]) -> Node:
    """Return the type of a node, or of what it is a list of."""
    node = node.get("items", node)
    return definitions[node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def _plain(node: Any) -> Any:
    """Return a node without null, which TOML does not have, and with docstrings unwrapped."""
    if isinstance(node, list | tuple):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {key: _plain(value) for key, value in node.items() if (key, value) not in _NOTHING}
    if isinstance(choice := result.get("anyOf"), list):
        (only,) = [item for item in choice if item != {"type": "null"}]
        del result["anyOf"]
        result = {**only, **result}
    if "enum" in result:
        result["enum"] = [value for value in result["enum"] if value is not None]
    if isinstance(about := result.get("description"), str):
        result["description"] = " ".join(inspect.cleandoc(about).partition("\n\n")[0].split())
    return result
