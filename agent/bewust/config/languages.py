"""The languages Bewust speaks: one folder each below bewust_config/languages, found by being there.

Every consumer (page, reminder texts, the security team's report, papers, templates for Windows) asks here, so that a
further language is a folder and no line of code. Belongs here: the manifest, reading words with their fallback, and
what a folder lacks. Not here: what is said with the words.

A folder holds language.toml (the manifest), a .toml file for each of PARTS, reminders.toml (texts) and papers/*.md. A
key or paper that is missing is taken from the language that the manifest names as its `fallback`, and so on; the one
without a fallback is the reference, which has everything.
"""

import string
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import tomli

from bewust.errors import CONFIG, BewustError

FOLDER = Path(str(files("bewust_config"))) / "languages"  # Bewust is always installed unpacked
MANIFEST, REMINDERS, PAPERS = "language.toml", "reminders.toml", "papers"
PARTS = ("page", "fleet", "papers", "adml")
DEFAULT = "nl"  # of a policy that names none
# What a language need not have: another's name (its own stands for it), and an explanation of a policy key (the
# comment in policy.toml, which is English, stands for it).
OPTIONAL = ("page.language.", "adml.about.")


class LanguageError(BewustError, ValueError):
    """A folder of a language is wrong: names the file, the key, what is wrong and what to do."""

    exit_code = CONFIG


class Language(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The manifest of a language. `code` is its folder's name, as policies and addresses of the page have it.

    `name` is what its speakers call it; `culture` Windows's name of it, such as de-DE; `day` and `moment` are patterns
    of a date ({day}, {month}, {year}) and of a time ({day}, {time}); `percent` is one of {n}.
    """

    code: str
    name: str
    culture: str
    months: tuple[str, ...]
    day: str
    moment: str
    thousands: str
    decimal: str
    percent: str
    fallback: str = ""

    def number(self, value: float, decimals: int = 0) -> str:
        """Return a number with so many decimals, such as 1.234,5 or 1,234.5."""
        return f"{value:,.{decimals}f}".translate({ord(","): self.thousands, ord("."): self.decimal})


@cache
def known(folder: Path = FOLDER) -> Mapping[str, Language]:
    """Return every language there is a folder for, by its code. Raises LanguageError."""
    codes = sorted(entry.name for entry in folder.iterdir() if entry.joinpath(MANIFEST).is_file())
    found = {code: _manifest(folder, code) for code in codes}
    for code in codes:
        _chain(found, code)
    roots = [code for code in codes if not found[code].fallback]
    for code in roots[1:]:
        raise LanguageError(f"languages/{code}/{MANIFEST}: names no fallback, as {roots[0]} does not. Name one.")
    return found


def reference(folder: Path = FOLDER) -> str:
    """Return the code of the language that the others are measured by: the one without a fallback."""
    (code,) = (code for code, one in known(folder).items() if not one.fallback)
    return code


def language(code: str, folder: Path = FOLDER) -> Language:
    """Return the language of a code. Raises LanguageError where there is no folder for it."""
    found = known(folder).get(code)
    if found is None:
        raise LanguageError(f"language {code!r}: is none of {', '.join(known(folder))}. Use one, or add its folder.")
    return found


def words(code: str, part: str, folder: Path = FOLDER) -> Mapping[str, str]:
    """Return a part's words by their dotted keys, those that are missing from the fallbacks. Raises LanguageError."""
    language(code, folder)
    found: dict[str, str] = {}
    for one in reversed(_chain(known(folder), code)):
        found |= flat(_table(folder.joinpath(one, f"{part}.toml")))
    return found


def reminders(code: str, folder: Path = FOLDER) -> Path | None:
    """Return the file of a language's reminder texts, None where it has none: no toast mixes two languages."""
    file = folder.joinpath(code, REMINDERS)
    return file if code in known(folder) and file.is_file() else None


def paper(code: str, name: str, folder: Path = FOLDER) -> str:
    """Return the template of a paper, in the first language of the fallbacks that has it. Raises LanguageError."""
    language(code, folder)
    for one in _chain(known(folder), code):
        file = folder.joinpath(one, PAPERS, name)
        if file.is_file():
            return _text(file)
    raise LanguageError(f"languages/{code}/{PAPERS}/{name}: is missing, and no fallback has it. Add it.")


def flat(table: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Return a table of tables with dotted keys; of a list of tables each goes by its `id`."""
    found: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= flat(value, f"{above}{key}.")
        elif isinstance(value, list) and all(isinstance(one, dict) for one in value):
            found |= {f"{above}{key}.{one.get('id')}": str(one.get("text")) for one in value}
        else:
            found[f"{above}{key}"] = str(value)
    return found


def check(folder: Path = FOLDER) -> None:
    """Refuse a language that is not complete: a file, a key or a placeholder too few or too many. Raises LanguageError.

    The first is named. A running agent does not ask for this: what is missing there comes from the fallback.
    """
    for problem in problems(folder):
        raise LanguageError(problem)


def problems(folder: Path = FOLDER) -> Iterator[str]:
    """Yield what each language lacks or has too much of, compared with the reference."""
    model = reference(folder)
    for code in known(folder):
        if code == model:
            continue
        for part in (*PARTS, REMINDERS.removesuffix(".toml")):
            yield from _differences(folder, code, model, part)
        papers = [{entry.name for entry in folder.joinpath(one, PAPERS).iterdir()} for one in (model, code)
                  if folder.joinpath(one, PAPERS).is_dir()]  # fmt: skip
        for name in sorted(papers[0] - papers[-1] if len(papers) > 1 else papers[0]):
            yield f"languages/{code}/{PAPERS}/{name}: is missing. Add it, as languages/{model} has it."


def _differences(folder: Path, code: str, model: str, part: str) -> Iterator[str]:
    here, there = (flat(_table(folder.joinpath(one, f"{part}.toml"))) for one in (code, model))
    name = f"languages/{code}/{part}.toml"
    for key in sorted(here.keys() | there.keys()):
        if f"{part}.{key}".startswith(OPTIONAL):
            continue
        if key not in here:
            yield f"{name}: {key} is missing. Add it, as languages/{model}/{part}.toml has it."
        elif key not in there:
            yield f"{name}: nothing asks for {key}. Remove it, or correct its name."
        elif placeholders(here[key]) != placeholders(there[key]):
            wanted = ", ".join(f"{{{one}}}" for one in sorted(placeholders(there[key]))) or "nothing"
            yield f"{name}: {key} must fill in {wanted}, as languages/{model}/{part}.toml does. Correct it."


def placeholders(text: str) -> set[str]:
    """Return what a text fills in."""
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}
    except ValueError:  # a lone brace
        return set()


def _chain(found: Mapping[str, Language], code: str) -> list[str]:
    """Return a language and its fallbacks, nearest first. Raises LanguageError."""
    chain = [code]
    while after := found[chain[-1]].fallback:
        if after not in found or after in chain:
            wrong = "is no language" if after not in found else "leads round in a circle"
            raise LanguageError(f"languages/{chain[-1]}/{MANIFEST}: fallback {after!r} {wrong}. Name another.")
        chain.append(after)
    return chain


def _manifest(folder: Path, code: str) -> Language:
    name = f"languages/{code}/{MANIFEST}"
    try:
        found = msgspec.convert(_table(folder.joinpath(code, MANIFEST)) | {"code": code}, Language)
    except msgspec.ValidationError as error:
        raise LanguageError(f"{name}: {error}. Correct that key; the other languages are examples.") from error
    if len(found.months) != 12:
        raise LanguageError(f"{name}: months has {len(found.months)} names. Write twelve.")
    return found


def _table(file: Path) -> dict[str, Any]:
    try:
        return tomli.loads(_text(file)) if file.is_file() else {}
    except (ValueError, RecursionError) as error:
        raise LanguageError(f"{file}: is not TOML ({error}). Mend the line it names.") from error


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LanguageError(f"{file}: cannot be read ({error}). Check its owner, mode and encoding.") from error
