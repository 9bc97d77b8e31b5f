"""The keepers' side of `split`: a noisy sum each, and the two sums put together.

Belongs here: adding up, the noise, and what two sums say. Not here: keys and the ledger (keyfile), which
reports fit together (batches), or the command line (cli.keepers). docs/keepers.md is for keepers.
Shares and sums are integers modulo 2^64 in the order of reports.BLOCKS.
"""

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import msgspec

from bewust.files import read, write
from bewust.statistics import formats
from bewust.statistics.formats import (
    BLOCKS,
    BOUNDS,
    WIDTH,
    Opened,
    OpenedBlock,
    ReportError,
    SplitReport,
    Sum,
    SumBlock,
    blocks_of,
    printable,
)
from bewust.statistics.keepers.batches import MIN_BATCH, Collected, choose, manifest
from bewust.statistics.keepers.keyfile import (
    KeeperError,
    KeeperKey,
    PublishedBatch,
    PublishedLedger,
    exclusive_lock,
    load_ledger,
)
from bewust.statistics.secret_sharing import MODULUS, open_share

_SURE = 60  # noise is above this many scales with a probability below 1e-24


class Tally(msgspec.Struct, frozen=True):
    """A keeper's shares added up, without noise: it stays in memory. `bad` says by id what could not be opened."""

    reports: list[SplitReport]
    totals: list[int]
    bad: dict[str, str]


def tally(chosen: Iterable[SplitReport], key: KeeperKey) -> Tally:
    """Add up a keeper's shares of reports that `choose` returned."""
    kept, totals, bad = [], [0] * WIDTH, {}
    for report in chosen:
        try:
            share = open_share(report, report.keepers.index(key.id), key.private)
        except ReportError as error:
            bad[report.id] = str(error)
        else:
            kept.append(report)
            totals = [(total + part) % MODULUS for total, part in zip(totals, share, strict=True)]
    return Tally(kept, totals, bad)


def noise(bound: int, epsilon: Fraction, cells: int) -> list[int]:
    """Draw discrete Laplace noise for the cells of a block, each of scale bound/epsilon. Raises KeeperError."""
    try:
        import opendp.prelude as dp  # noqa: PLC0415 - 275 MB that only keepers have
    except ImportError:
        raise KeeperError("OpenDP is not installed, and draws the noise. Run: pip install 'bewust[fleet]'.") from None
    exact = bound / epsilon
    scale = float(exact) if float(exact) >= exact else math.nextafter(float(exact), math.inf)  # never less noise
    if scale > 1e12:
        raise KeeperError(f"epsilon {epsilon} needs more noise than can be drawn. Set a larger one in policy.toml.")
    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T="i64"), size=cells), dp.l1_distance(T="i64")
    draw = dp.m.make_laplace(*space, scale=scale)
    cost = draw.map(bound)  # type: ignore[no-untyped-call]
    if not math.isclose(cost, epsilon, rel_tol=1e-9):  # OpenDP rounds the map up, in floating point
        raise KeeperError(f"OpenDP gives epsilon {cost} instead of {epsilon}. Install the release that we tested.")
    return [int(value) for value in draw([0] * cells)]


def sum_batch(chosen: Sequence[SplitReport], key: KeeperKey, minimum: int = MIN_BATCH) -> Sum:
    """Return a keeper's noisy sum over reports, the noise drawn anew; `seal_sum` is what remembers it.

    Raises KeeperError for reports that break a rule of `choose` or cannot be opened.
    """
    added = tally(choose(Collected(list(chosen)), key, minimum=minimum), key)
    for report_id, problem in added.bad.items():
        raise KeeperError(f"report {report_id} {problem}. Leave it out; both keepers must.")
    return _noisy(added, key)


def _noisy(added: Tally, key: KeeperKey) -> Sum:
    first, blocks, drawn = added.reports[0], {}, []
    for name, cells in BLOCKS.items():
        epsilon = Fraction(first.blocks[name].epsilon)
        scale = BOUNDS[name] / epsilon
        blocks[name] = SumBlock(first.blocks[name].epsilon, f"{scale.numerator}/{scale.denominator}")
        drawn += noise(BOUNDS[name], epsilon, len(cells))
    noisy = tuple(str((total + extra) % MODULUS) for total, extra in zip(added.totals, drawn, strict=True))
    return Sum(
        "bewust-sum/1", keeper=key.id, name=key.name, period=first.period, domain=first.domain, services=first.services,
        blocks=blocks, reports=len(added.reports), manifest=manifest(added.reports), sum=noisy,
    )  # fmt: skip


def publish_sum(added: Tally, key: KeeperKey) -> tuple[bytes, bool]:
    """Return the sum of a batch as it is written to a file, and whether it was sealed before.

    It is in the ledger and on disk before it is returned. The same batch gives the same bytes for ever,
    since fresh noise could be averaged away. Raises KeeperError for another batch of a period.
    """
    with exclusive_lock(key):
        ledger = load_ledger(key)
        if (sealed := _remembered(ledger, added, key)) is not None:
            return sealed.sum.encode(), True
        period, mine = added.reports[0].period, manifest(added.reports)
        made = formats.encode(_noisy(added, key)) + "\n"
        periods = {**ledger.periods, period: PublishedBatch(mine, made)}
        write(key.ledger, msgspec.json.encode(msgspec.structs.replace(ledger, periods=periods)) + b"\n")
        return made.encode(), False


def already_published(added: Tally, key: KeeperKey) -> bool:
    """Return whether exactly this batch was added up before. Raises KeeperError where `seal_sum` would refuse it."""
    return _remembered(load_ledger(key), added, key) is not None


def _remembered(ledger: PublishedLedger, added: Tally, key: KeeperKey) -> PublishedBatch | None:
    period, mine = added.reports[0].period, manifest(added.reports)
    sealed = ledger.periods.get(period)
    if sealed is not None and sealed.manifest != mine:
        raise KeeperError(
            f"{key.ledger}: {period} was added up before, from other reports (manifest {sealed.manifest[:12]}, "
            f"now {mine[:12]}). That is done once: give exactly those reports, or leave this period as it is."
        )
    return sealed


def load_sum(path: Path) -> Sum:
    """Return the sum in a file. Raises KeeperError."""
    try:
        return formats.decode_sum(read(path))
    except ReportError as error:
        raise KeeperError(f"{path}: {printable(error)}. Name the file that `keeper sum` wrote.") from error


def open_sums(a: Sum, b: Sum) -> Opened:
    """Put the sums of the two keepers together: estimates of how many workstations have each cell.

    Raises KeeperError for sums that do not belong together.
    """
    _check_pair(a, b)
    totals = [(int(one) + int(other)) % MODULUS for one, other in zip(a.sum, b.sum, strict=True)]
    signed = [total - MODULUS if total >= MODULUS // 2 else total for total in totals]
    opened = {}
    for name, estimates in blocks_of(signed).items():
        scale = Fraction(BOUNDS[name]) / Fraction(a.blocks[name].epsilon)
        if any(not -_SURE * scale <= estimate <= a.reports + _SURE * scale for estimate in estimates):
            raise KeeperError(
                "the sums give numbers that cannot be: one was changed. Ask both keepers for theirs anew."
            )
        opened[name] = OpenedBlock(a.blocks[name].epsilon, estimates, deviation(scale))
    return Opened(
        "bewust-opened/1", period=a.period, mechanism="split", domain=a.domain, services=a.services,
        reports=a.reports, manifest=a.manifest, blocks=opened,
    )  # fmt: skip


def _check_pair(a: Sum, b: Sum) -> None:
    if a.keeper == b.keeper:
        raise KeeperError(f"both sums are of the keeper {a.name[:40]!r}. Give one of each keeper.")
    if a.manifest != b.manifest:
        held = " and ".join(f"{s.name[:40]!r} added up {s.reports} of {s.period} ({s.manifest[:12]})" for s in (a, b))
        raise KeeperError(
            f"the keepers hold different sets of reports: {held}. Nothing can be read from these two sums. Compare "
            "what `keeper sum --check` says on both sides before adding up."
        )
    for what in ("period", "reports", "domain", "blocks"):
        if getattr(a, what) != getattr(b, what):
            raise KeeperError(f"the sums differ in {what}: one was changed. Ask both keepers for theirs anew.")
    for name, block in a.blocks.items():
        if Fraction(block.scale) != BOUNDS[name] / Fraction(block.epsilon):
            raise KeeperError(
                f"block {name} has noise that is not that of its epsilon. Ask both keepers to update Bewust."
            )


def deviation(scale: Fraction) -> float:
    """Return the standard deviation of the noise of both keepers together, each discrete Laplace of this scale."""
    ratio = math.exp(-1 / scale)
    return math.sqrt(2) * math.sqrt(2 * ratio) / -math.expm1(-1 / scale)
