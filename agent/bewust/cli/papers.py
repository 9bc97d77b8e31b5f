"""`bewust papers`: the papers that IT is asked for, as files. Thin."""

from pathlib import Path

import click

from bewust.cli.console import LanguageCode, Options, clear_errors, say

ALL = "all"


@click.command(short_help="Write the papers that IT is asked for.")
@click.option("--out", metavar="DIR", required=True, type=click.Path(path_type=Path, file_okay=False),
              help="Folder for them, made where there is none.")  # fmt: skip
@click.option("--language", type=LanguageCode(ALL), default=ALL, show_default=True, help="Language of the papers.")
@click.pass_obj
def papers(options: Options, out: Path, language: str) -> None:
    """Write what IT is asked for, from the configuration in force: an annex to the DPIA, a sheet for the
    works council, a text for the employee handbook, an entry for the algorithm register, each as HTML and
    Markdown, and a bill of materials (CycloneDX).

    What your organisation has not filled in is a marked blank. Files of these names are replaced.
    """
    from bewust.config import languages as config_languages
    from bewust.config import load_rules
    from bewust.papers import write

    with clear_errors():
        rules = load_rules(options.config, state=options.state)
        written = write(rules, out, list(config_languages.known()) if language == ALL else [language])
    for path in written:
        say(str(path))
