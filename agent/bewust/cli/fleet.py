"""`bewust fleet …`: the tools of whoever aggregates releases. Thin: read, compute, write.

Everything of the fleet is imported inside the commands: it needs the extra bewust[fleet], and no workstation
has that.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from bewust.cli.console import LanguageCode, Options, clear_errors, fail, say, warn
from bewust.errors import READ_FAILED

if TYPE_CHECKING:
    from bewust.config import Policy
    from bewust.fleet import Findings

type Edition = tuple[str, str]

_file = click.Path(path_type=Path, dir_okay=False)


@click.group(name="fleet")
def fleet_group() -> None:
    """Turn the releases of many workstations into a report."""


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    """As everywhere, and one line where the extra is not installed."""
    try:
        import bewust.fleet.reading  # noqa: F401 - whether it can be
    except ImportError as error:
        fail(f"{error.name} is not installed. Install what the fleet needs: pip install 'bewust[fleet]'", READ_FAILED)
    with clear_errors():
        yield


@contextlib.contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error while it is a terminal; it goes when the work is done."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@fleet_group.command(short_help="Make the report.")
@click.argument("places", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=_file, help="The report, as one HTML file.")
@click.option("--json", "json_file", type=_file, help="All cells, as JSON.")
@click.option("--csv", "csv_file", type=_file, help="All cells, as CSV.")
@click.option("--parquet", "parquet_file", type=_file, help="All cells, as Parquet.")
@click.option("--otlp", metavar="FILE|URL", help="Usable cells as OTLP metrics: a file, or sent to a URL.")
@click.option("--prometheus", "prometheus_file", type=_file, help="Usable cells as a Prometheus text file.")
@click.option(
    "--policy", "policy_place", type=click.Path(path_type=Path, exists=True), help="Your policy: file or folder."
)
@click.option("--language", type=LanguageCode(), help="Of the report; the policy's by default.")
@click.option(
    "--engine",
    type=click.Choice(["duckdb", "spark"]),
    default="duckdb",
    show_default=True,
    help="What aggregates; spark needs its extra.",
)
@click.option("--period", help="Report on this period, such as 2026-P12; the newest by default.")
@click.pass_obj
def report(options: Options, /, places: tuple[Path, ...], *, policy_place: Path | None, language: str | None,
           engine: Literal["duckdb", "spark"], period: str | None, **outputs: Any) -> None:  # fmt: skip
    """Aggregate the reports (*.ndjson) and opened batches (*.json) in folders or files.

    Give at least one of --out, --json, --csv, --parquet, --otlp, --prometheus. Exit code 1: not one valid
    report was found. What was skipped is counted, named in the report, and no error.
    """
    if not any(outputs.values()):
        raise click.UsageError(
            "say what to make: --out report.html, or --json, --csv, --parquet, --otlp, --prometheus."
        )
    with _clear_errors():
        rules, findings = _computed(places, policy_place or options.config, engine, options.state)
        edition = _edition(findings, period)
        _write(findings, rules, language or _spoken(rules.language), edition, outputs)
    _summary(findings)
    if not findings.cells:
        fail("not one valid report was found. The report says what was skipped, and why.", READ_FAILED)


def _spoken(wanted: str) -> str:
    """Return the policy's language where the report has it, else the one that every other falls back on."""
    from bewust.config import languages as config_languages

    return wanted if wanted in config_languages.known() else config_languages.reference()


def _computed(
    places: tuple[Path, ...], overlay: Path | None, engine: Literal["duckdb", "spark"], state: Path
) -> "tuple[Policy, Findings]":
    import tempfile

    from bewust.catalogue import editions, loading
    from bewust.config import policy
    from bewust.fleet import engines, estimates, findings, reading

    rules = policy.load(overlay)
    base = editions.active_edition(state, rules.catalogue.keys).services
    services = loading.load(overlay if overlay and overlay.is_dir() else None, rules.countries, base)
    policy.check_services(rules, services, overlay)
    facts = findings.facts(services, rules)
    connection = engines.connect(engine)
    with tempfile.TemporaryDirectory(prefix="bewust-fleet-") as scratch:
        with _progress("reading reports") as progress:
            read = reading.read(reading.found(places), Path(scratch), progress)
        with _progress("computing estimates"):
            cells, doubled = estimates.compute(connection, read, findings.grouping(facts))
    return rules, findings.Findings(cells, facts, read, doubled)


def _edition(findings: "Findings", period: str | None) -> "Edition | None":
    if period is None:
        return None
    found = [each for each in findings.editions if each[0] == period]
    if not found:
        known = ", ".join(each[0] for each in findings.editions) or "none"
        raise click.BadParameter(f"{period!r} is not there. There is: {known}.", param_hint="--period")
    return found[-1]


def _write(
    findings: "Findings", rules: "Policy", language: str, edition: "Edition | None", outputs: dict[str, Any]
) -> None:
    from bewust.fleet import exporting

    if outputs["out"]:
        from bewust.fleet import html

        exporting.write(outputs["out"], html.render(findings, language, edition).encode())
    for key, make in (("json", exporting.as_json), ("csv", exporting.as_csv), ("parquet", exporting.as_parquet)):
        if outputs[f"{key}_file"]:
            exporting.write(outputs[f"{key}_file"], make(findings))
    if outputs["prometheus_file"] or outputs["otlp"]:
        from bewust.fleet import metrics

        if outputs["prometheus_file"]:
            exporting.write(outputs["prometheus_file"], metrics.prometheus(findings))
        if (target := outputs["otlp"]) and target.startswith(("http://", "https://")):
            metrics.send(findings, rules.zone, target)
        elif target:
            exporting.write(Path(target), metrics.otlp_json(findings, rules.zone))


def _summary(findings: "Findings") -> None:
    read = findings.read
    usable = sum(cell.usable for cell in findings.cells)
    valid = read.valid - findings.doubled + len(read.opened)
    cells = f"{usable} of {len(findings.cells)} cells usable; {findings.doubled} double, {read.skipped} skipped"
    say(f"{valid} reports and batches from {read.files} files; {cells}")
    for each in read.named[:10]:
        warn(f"skipped {each.place}: {each.why}")
    if read.skipped > 10:
        warn("… the report names the others")


@fleet_group.command(short_help="Make a fleet with known truth.")
@click.option("--workstations", type=click.IntRange(1, 10_000_000), required=True, help="How many to simulate.")
@click.option("--periods", type=click.IntRange(1, 260), default=1, show_default=True, help="How many end to end.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same one, the same fleet.")
@click.option(
    "--mechanism",
    type=click.Choice(["local", "split"]),
    default="local",
    show_default=True,
    help="How reports are made private.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="A new folder.")
def simulate(workstations: int, periods: int, seed: int, mechanism: Literal["local", "split"], out: Path) -> None:
    """Write invented reports to OUT/reports, and what is true of them to OUT/truth.

    For demonstrations and tests: the noise comes from a seed, so it protects nobody. Under split the opened
    batches are written, for real shares need the keys of two keepers.
    """
    with _clear_errors():
        from bewust.fleet.simulation import simulate as make

        if out.exists() and any(out.iterdir()):
            raise click.BadParameter(f"{out} is not empty. Choose a new folder.", param_hint="--out")
        try:
            with _progress("making reports") as progress:
                make(out, workstations, periods, seed=seed, mechanism=mechanism, progress=progress)
        except OSError as error:
            fail(f"{out}: cannot be written ({error.strerror}). Choose another place.", READ_FAILED)
    truth = out / "truth" / "truth.json"
    say(f"{workstations} workstations over {periods} periods, simulated: {out / 'reports'}; the truth: {truth}")
