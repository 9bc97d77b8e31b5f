"""A fleet with known truth, for demonstrations and tests.

Belongs here: who uses what, and the same flips or noise as real reports. The random numbers come from a seed, so
these reports protect nobody: for simulation only. Not here: how a workstation makes a report (statistics.randomise).
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bewust.config.policy import EPSILONS, Mechanism
from bewust.statistics import formats
from bewust.statistics.formats import BOUNDS, Opened, OpenedBlock
from bewust.statistics.randomise import COIN, flip_probability

SERVICES = (  # by how much they are used, most first; all in the shipped catalogue
    "google-ai-overview", "chatgpt", "bing-copilot-search", "chrome-translate", "deepl", "m365-copilot",
    "google-site-translate", "edge-translate", "gemini", "claude", "google-ai-mode", "perplexity", "github-copilot",
    "grammarly", "duckduckgo-search-assist", "copilot", "notion-ai", "mistral-le-chat", "adobe-firefly", "linkedin-ai",
)  # fmt: skip
ZIPF, USING, MORE = 1.1, 0.4, 0.8  # exponent; part that uses AI; 1 + Poisson(MORE) services each
TRANSLATES, REMINDED = 0.15, 0.5  # of those who use AI: an internal page to a translator; a reminder shown
CHUNK = 50_000  # workstations a file
FIRST_YEAR = 2026

type Bits = np.ndarray[Any, np.dtype[np.uint8]]
type Progress = Callable[[int, int], None]


def simulate(out: Path, workstations: int, periods: int, *, seed: int, mechanism: Mechanism,
             progress: Progress = lambda done, total: None) -> dict[str, Any]:  # fmt: skip
    """Write reports to out/reports and what is true of them to out/truth/truth.json; return the truth.

    For each period: `used` counts workstations as they are, `bounded` those left after at most three services
    each: the estimates are of the latter. The folders are made. Raises OSError.
    """
    random = np.random.default_rng(seed)
    folder = out / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    truth: dict[str, Any] = {"schema": "bewust-truth/1", "seed": seed, "workstations": workstations,
                             "mechanism": mechanism, "domain": formats.domain_of(SERVICES), "periods": {}}  # fmt: skip
    for number, period in enumerate(_periods(periods, mechanism)):
        used, bounded = np.zeros(formats.WIDTH, np.int64), np.zeros(formats.WIDTH, np.int64)
        with (folder / f"{period}.part").open("wb") as stream:
            for start in range(0, workstations, CHUNK):
                progress(number * workstations + start, periods * workstations)
                whole = presence(random, min(CHUNK, workstations - start))
                bits = bound(random, whole)
                used, bounded = used + whole.sum(0), bounded + bits.sum(0)
                if mechanism == "local":
                    stream.writelines(local_lines(random, period, bits))
            if mechanism == "split":
                stream.write(opened(random, period, bounded, workstations).encode())
        name = f"{period}.ndjson" if mechanism == "local" else f"opened-{period}.json"
        (folder / f"{period}.part").replace(folder / name)
        truth["periods"][period] = {"used": _named(used), "bounded": _named(bounded)}
    (out / "truth").mkdir(exist_ok=True)
    (out / "truth" / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="ascii")
    progress(1, 1)
    return truth


def _periods(count: int, mechanism: Mechanism) -> Iterator[str]:
    a_year, letter = (13, "P") if mechanism == "local" else (52, "W")
    for number in range(count):
        yield f"{FIRST_YEAR + number // a_year}-{letter}{number % a_year + 1:02}"


def _named(counts: Sequence[int] | np.ndarray[Any, Any]) -> dict[str, dict[str, int]]:
    values = iter(int(count) for count in counts)
    blocks = {block: dict(zip(cells, values, strict=False)) for block, cells in formats.report_cells(SERVICES).items()}
    return {block: {cell: n for cell, n in cells.items() if cell} for block, cells in blocks.items()}


def presence(random: np.random.Generator, workstations: int) -> Bits:
    """Return what workstations did in a period: (workstations, 28) of 0 and 1, bounded by nothing yet."""
    bits = np.zeros((workstations, formats.WIDTH), np.uint8)
    uses = random.random(workstations) < USING
    many = np.where(uses, np.minimum(1 + random.poisson(MORE, workstations), len(SERVICES)), 0)
    weights = 1.0 / np.arange(1, len(SERVICES) + 1) ** ZIPF
    # The k largest of weight-scaled exponentials are a weighted draw of k without replacement.
    order = np.argsort(random.exponential(size=(workstations, len(SERVICES))) / weights, axis=1)
    ranks = np.argsort(order, axis=1)
    bits[:, 0] = uses
    bits[:, 1 : 1 + len(SERVICES)] = ranks < many[:, None]
    bits[:, -2] = uses & (random.random(workstations) < TRANSLATES)
    bits[:, -1] = uses & (random.random(workstations) < REMINDED)
    return bits


def bound(random: np.random.Generator, whole: Bits) -> Bits:
    """Keep at most so many services of each workstation as a report may have: a random subset."""
    bits = whole.copy()
    services = slice(1, 1 + len(formats.BLOCKS["service"]))
    drawn = random.random((len(bits), len(formats.BLOCKS["service"]))) + (1 - whole[:, services])
    ranks = np.argsort(np.argsort(drawn, axis=1), axis=1)
    bits[:, services] &= (ranks < BOUNDS["service"]).astype(np.uint8)
    return bits


def local_lines(random: np.random.Generator, period: str, bits: Bits) -> Iterator[bytes]:
    """Yield a sealed report for each row of bits, flipped as the format says, with its newline."""
    epsilons = EPSILONS["local"]
    flips = {block: flip_probability(block, Fraction(epsilon)) for block, epsilon in epsilons.items()}
    widths = [len(cells) for cells in formats.BLOCKS.values()]
    sides = np.repeat([int(flips[block] * COIN) for block in formats.BLOCKS], widths).astype(np.uint64)
    noise = random.integers(0, COIN, bits.shape, np.uint64) < sides
    text = ((bits ^ noise.astype(np.uint8)) + ord("0")).tobytes()
    ids = random.bytes(16 * len(bits)).hex().encode()
    blocks = {
        block: formats.Randomised(epsilon, f"{flips[block].numerator}/{flips[block].denominator}", f"<{block}>")
        for block, epsilon in epsilons.items()
    }
    line = formats.encode(
        formats.LocalReport("bewust-report/1", period, "local", formats.domain_of(SERVICES), SERVICES, blocks, "<id>")
    ).encode()
    frame = line.replace(b"%", b"%%") + b"\n"
    for mark in (*formats.BLOCKS, "id"):
        frame = frame.replace(f"<{mark}>".encode(), b"%b")
    edges = [0, 1, 1 + len(formats.BLOCKS["service"]), formats.WIDTH - 1, formats.WIDTH]
    for row in range(len(bits)):
        at = row * formats.WIDTH
        parts = [text[at + low : at + high] for low, high in pairwise(edges)]
        yield frame % (*parts, ids[32 * row : 32 * row + 32])


def opened(random: np.random.Generator, period: str, counts: Sequence[int] | np.ndarray[Any, Any], n: int) -> str:
    """Return an opened batch: the counts with the noise of two keepers, one discrete Laplace draw each."""
    blocks, position = {}, 0
    for block, cells in formats.BLOCKS.items():
        scale = BOUNDS[block] / float(Fraction(EPSILONS["split"][block]))
        noise = laplace(random, scale, len(cells)) + laplace(random, scale, len(cells))
        estimates = tuple(int(count) for count in np.asarray(counts[position : position + len(cells)]) + noise)
        a = math.exp(-1 / scale)
        blocks[block] = OpenedBlock(EPSILONS["split"][block], estimates, math.sqrt(2) * math.sqrt(2 * a) / (1 - a))
        position += len(cells)
    manifest = random.bytes(32).hex()
    return formats.encode(Opened("bewust-opened/1", period, "split", formats.domain_of(SERVICES), SERVICES, n, manifest,
                                 blocks)) + "\n"  # fmt: skip


def laplace(random: np.random.Generator, scale: float, size: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return discrete Laplace draws: the difference of two geometric ones."""
    p = 1 - math.exp(-1 / scale)
    return random.geometric(p, size) - random.geometric(p, size)
