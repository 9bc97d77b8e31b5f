"""Reports are read one by one; those that do not fit together are refused and named."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from bewust.statistics import formats
from bewust.statistics.formats import Shared, SplitReport
from bewust.statistics.keepers import keyfile
from bewust.statistics.keepers.batches import Collected, choose, collect
from bewust.statistics.keepers.keyfile import KeeperError, KeeperKey
from bewust.statistics.keepers.sums import sum_batch, tally
from bewust.statistics.secret_sharing import seal_report
from support.keepers import PASSPHRASE, batch, sealed, write
from support.secret_sharing_samples import bits, draft

# Collecting.


def test_reports_are_read_from_files_and_folders_each_once(keys: tuple[KeeperKey, KeeperKey], tmp_path: Path) -> None:
    found = batch(keys, 4)
    folder = write(tmp_path / "in", found[:2])
    write(folder / "deeper", found[2:3])
    many = tmp_path / "many.txt"
    many.write_text("\r\n".join(map(formats.encode, found[3:])) + "\r\n\n")
    (folder / "readme.md").write_text("no report")
    collected = collect([folder, many, folder])
    assert sorted(report.id for report in collected.reports) == [report.id for report in found]
    assert collected.problems == collected.duplicates == []
    assert collected.where[found[3].id] == f"{many}:1"


def test_a_bad_line_is_named_and_stops_nothing(keys: tuple[KeeperKey, KeeperKey], tmp_path: Path) -> None:
    good, cut = (formats.encode(report) for report in batch(keys, 2))
    file = tmp_path / "x.ndjson"
    local = '{"schema":"bewust-report/1","mechanism":"local"}'
    file.write_bytes("\n".join(["{", local, cut[:-40], '{"\\u001b[2J":1}', good]).encode() + b"\n" + b"x" * 40_000)
    (tmp_path / "empty.ndjson").touch()
    collected = collect([tmp_path, tmp_path / "nowhere.ndjson"])
    assert [formats.encode(report) for report in collected.reports] == [good]
    assert [problem.removeprefix(str(tmp_path)).split(" (")[0] for problem in collected.problems] == [
        "/empty.ndjson:0: is empty",
        "/x.ndjson:1: is no report",
        "/x.ndjson:2: is no report",
        "/x.ndjson:3: is no report",
        "/x.ndjson:4: is no report",
        "/x.ndjson:6: is longer than 16384 bytes",
        "/x.ndjson:6: the rest of the file was not read",
        "/nowhere.ndjson:0: cannot be read",
    ]
    assert "\x1b" not in "".join(collected.problems)


def test_a_report_that_came_twice_is_counted_once_and_reported(
    keys: tuple[KeeperKey, KeeperKey], tmp_path: Path
) -> None:
    (report,) = batch(keys, 1)
    for name in "ab":
        (tmp_path / f"{name}.ndjson").write_text(formats.encode(report))
    collected = collect([tmp_path])
    assert collected.reports == [report]
    assert collected.duplicates == [
        f"{tmp_path}/b.ndjson:1: is the report of {tmp_path}/a.ndjson:1 again; counted once"
    ]


# Which reports make a batch.


def test_a_batch_of_mixed_periods_is_refused_until_one_is_chosen(keys: tuple[KeeperKey, KeeperKey]) -> None:
    both = Collected([*batch(keys, 50), sealed(keys, 99, period="2026-W48")])
    with pytest.raises(KeeperError, match=r"have 2 periods: '2026-W47' in 50, .*; '2026-W48' in 1, .* with --period\."):
        choose(both, keys[0])
    assert len(choose(both, keys[0], "2026-W47")) == 50
    with pytest.raises(KeeperError, match="1 reports are fewer than 50"):
        choose(both, keys[0], "2026-W48")
    with pytest.raises(KeeperError, match="no report of 2026-W49 was found"):
        choose(both, keys[0], "2026-W49")


def from_draft(keys: Sequence[KeeperKey], one: SplitReport) -> SplitReport:
    return seal_report(one, bits(), [key.private.public_key() for key in keys])


DEARER = msgspec.structs.replace(draft(99), blocks={**draft().blocks, "any": Shared("9/1")})


@pytest.mark.parametrize(
    ("stranger", "error"),
    [
        pytest.param(
            lambda keys: from_draft(keys, draft(99, services=["claude"])), "2 lists of services: '", id="domains"
        ),
        pytest.param(lambda keys: from_draft(keys, DEARER), "2 epsilons: '1/5 1/2 3/20 3/20' in 50", id="epsilons"),
        pytest.param(lambda keys: sealed(keys[::-1], 99), "2 pairs of keepers", id="the keepers' order"),
        pytest.param(lambda keys: sealed(keys, 0), "different reports have one id", id="one id twice"),
    ],
)
def test_reports_that_do_not_belong_together_are_refused_and_named(
    keys: tuple[KeeperKey, KeeperKey],
    tmp_path: Path,
    stranger: Callable[[Sequence[KeeperKey]], SplitReport],
    error: str,
) -> None:
    folder = write(tmp_path / "in", batch(keys, 50))
    (folder / "zz.ndjson").write_text(formats.encode(stranger(keys)))
    with pytest.raises(KeeperError, match=error) as refused:
        choose(collect([folder]), keys[0])
    assert f"{folder}/zz.ndjson:1" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_reports_for_others_too_few_or_none_are_refused(keys: tuple[KeeperKey, KeeperKey], tmp_path: Path) -> None:
    with pytest.raises(KeeperError, match=r"no report was found\. Name files or folders"):
        choose(Collected(), keys[0])
    other = keyfile.new_key("other", PASSPHRASE, tmp_path / "other.json")
    with pytest.raises(KeeperError, match=f"are sealed to the keys '{keys[0].id}' and .*, and this key is {other.id}"):
        choose(Collected(batch(keys, 50)), other)
    with pytest.raises(KeeperError, match=r"49 reports are fewer than 50\. Wait for more"):
        choose(Collected(batch(keys, 49)), keys[0])


def test_a_report_that_was_changed_is_named_and_the_others_are_added_up(keys: tuple[KeeperKey, KeeperKey]) -> None:
    good = batch(keys, 3)
    bad = msgspec.structs.replace(good[1], shares=good[0].shares)
    added = tally([good[0], bad, good[2]], keys[0])
    assert (added.reports, list(added.bad)) == ([good[0], good[2]], [bad.id])
    with pytest.raises(KeeperError, match=f"report {bad.id} cannot be opened: it was changed after it was sealed"):
        sum_batch([good[0], bad, good[2]], keys[0], minimum=1)
