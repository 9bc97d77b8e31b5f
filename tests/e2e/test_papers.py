"""The papers in the system's Chromium: printed on A4, the works council's on one sheet, for everybody to read."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bewust.config import languages as config_languages
from bewust.config.rules import load_rules
from bewust.keys import key_text
from bewust.papers.rendering import PAPERS
from bewust.papers.writing import write
from e2e.chromium import Chromium
from support.accessibility import OVERFLOW, axe

KEYS = [key_text(X25519PrivateKey.generate().public_key()) for _ in range(2)]
# Long values everywhere, for what must fit on one sheet.
FULL = f"""mechanism = "split"
internal_hosts = ["intranet.voorbeeld.nl"]
[page]
organisation = "Gemeenschappelijke regeling Samenwerkende Belastingdiensten van het Noordelijk Kustgebied"
guidelines = "https://voorbeeld.nl/ai"
[fill]
contact = "het bureau van de Chief Information Officer, kamer 3.14, op werkdagen"
[release]
folder = "/mnt/statistiek/bewust"
[[release.keepers]]
name = "het team informatiebeveiliging"
key = "{KEYS[0]}"
[[release.keepers]]
name = "de centrale ondernemingsraad"
key = "{KEYS[1]}"
[service.chatgpt]
status = "uncontracted"
alternative = "de chatdienst"
[service.notion-ai]
depth = "request"
"""
A4 = (595, 842)  # points


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("home")) as browser:
        yield browser


@pytest.fixture(scope="module", params=["", FULL], ids=["as shipped", "filled in"])
def papers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("papers")
    (folder / "policy.toml").write_text(request.param, encoding="utf-8")
    write(load_rules(folder), folder / "out", list(config_languages.known()))
    return folder / "out"


def sheets(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


@pytest.mark.parametrize("language", config_languages.known())
def test_the_sheet_for_the_works_council_is_one_page(papers: Path, chromium: Chromium, language: str) -> None:
    chromium.goto((papers / f"works-council.{language}.html").as_uri())
    pdf = chromium.page.pdf(prefer_css_page_size=True)
    assert sheets(pdf) == 1
    chromium.goto((papers / f"dpia-annex.{language}.html").as_uri())
    assert 5 < sheets(chromium.page.pdf(prefer_css_page_size=True)) < 15  # and the count does count


@pytest.mark.parametrize("language", config_languages.known())
@pytest.mark.parametrize("paper", PAPERS)
def test_a_paper_prints_on_a4_and_asks_for_nothing(papers: Path, chromium: Chromium, paper: str, language: str) -> None:
    asked: list[str] = []
    chromium.page.on("request", lambda request: asked.append(request.url))
    chromium.goto((papers / f"{paper}.{language}.html").as_uri())
    boxes = re.findall(rb"/MediaBox\s*\[0 0 ([0-9.]+) ([0-9.]+)\]", chromium.page.pdf(prefer_css_page_size=True))
    assert boxes
    assert {(round(float(width)), round(float(height))) for width, height in boxes} == {A4}
    assert asked == [(papers / f"{paper}.{language}.html").as_uri()]
    assert chromium.evaluate(OVERFLOW) == 0
    assert not axe(chromium.page)
