"""A small catalogue entry, to be varied by the tests of the catalogue."""

from typing import Any

from bewust.catalogue.loading import parse
from bewust.model import Service

SERVICE = """
[[service]]
id = "s"
name = "S"
vendor = "V"
context = "search"
evidence = "invented"
reviewed = 2026-01-01
"""
SIGNATURE = """
  [[service.signature]]
  id = "a"
  level = "use"
  hosts = ["a.example"]
"""
WHOLE = SERVICE + SIGNATURE


def one(text: str, **options: Any) -> Service:
    (service,) = parse(text, "v.toml", **options)
    return service
