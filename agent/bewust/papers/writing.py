"""All papers -> files in a folder: each whole, in the place of an older one, and nothing else is touched.

Belongs here: names and files. Not here: what is in them.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from bewust.config import Rules, texts
from bewust.errors import BewustError
from bewust.files import replace
from bewust.papers import facts, rendering
from bewust.papers.sbom import sbom

SBOM = "sbom.cdx.json"


class PapersError(BewustError, RuntimeError):
    """A paper cannot be written: names the file, says why and what to do."""


def write(rules: Rules, folder: Path, languages: Sequence[str]) -> list[Path]:
    """Write every paper in each language, and the bill of materials; return the files.

    All are made before the first is written. Raises PapersError, SbomError and TextsError.
    """
    made = {folder / name: content for name, content in _made(rules, languages)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PapersError(f"{folder}: cannot be made ({error.strerror}). Choose another with --out.") from error
    for path, content in made.items():
        try:
            replace(path, content.encode(), mode=0o644)  # unlike what the agent keeps, others may read it
        except OSError as error:
            raise PapersError(f"{path}: cannot be written ({error.strerror}). Check it and its folder.") from error
    return list(made)


def _made(rules: Rules, languages: Sequence[str]) -> Iterator[tuple[str, str]]:
    for language in languages:
        told = facts.facts(rules, texts.load(language, rules.folder), language)
        for paper in rendering.PAPERS:
            text = rendering.markdown(paper, language, told)
            yield f"{paper}.{language}.html", rendering.html(paper, language, text)
            yield f"{paper}.{language}.md", text
    yield SBOM, json.dumps(sbom(), indent=2, ensure_ascii=False) + "\n"
