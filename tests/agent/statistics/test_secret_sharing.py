"""A share alone is chance, both together are the vector, and nothing of a report can be changed unseen.

Chances of a false alarm are stated where there is chance; nothing here has a seed.
"""

import base64
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from bewust.keys import PublicKeyError, keeper_key, key_id, key_text
from bewust.statistics import formats
from bewust.statistics.formats import WIDTH, ReportError, SplitReport
from bewust.statistics.secret_sharing import MODULUS, make_shares, open_share, seal_report
from support.secret_sharing_samples import bits, draft

KEYS = (X25519PrivateKey.generate(), X25519PrivateKey.generate())


def sealed(number: int = 0, *ones: int, keys: Sequence[X25519PrivateKey] = KEYS, **fields: str) -> SplitReport:
    """A sealed report with ones at these places."""
    return seal_report(draft(number, **fields), bits(*ones), [key.public_key() for key in keys])


def together(one: Iterable[int], other: Iterable[int]) -> list[int]:
    """The sum of two shares."""
    return [(a + b) % MODULUS for a, b in zip(one, other, strict=True)]


# The shares.


@given(st.lists(st.integers(0, 1), min_size=WIDTH, max_size=WIDTH))
def test_two_shares_add_up_to_the_vector_and_are_in_range(vector: list[int]) -> None:
    one, other = make_shares(vector)
    assert together(one, other) == vector
    assert all(0 <= part < MODULUS for part in one + other)


@pytest.mark.parametrize("vector", [[], [0] * (WIDTH + 1), bits()[:-1] + [2], bits()[:-1] + [-1]])
def test_what_is_no_presence_vector_is_not_shared(vector: list[int]) -> None:
    with pytest.raises(ValueError, match="a presence vector has 28 bits"):
        make_shares(vector)


def chi_square(shares: Iterable[Sequence[int]]) -> float:
    """How far the bytes of shares are from uniform: 255 degrees of freedom."""
    counts = Counter(byte for share in shares for part in share for byte in part.to_bytes(8, "little"))
    expected = counts.total() / 256
    return sum((counts[value] - expected) ** 2 for value in range(256)) / expected


# Of uniform bytes the statistic exceeds 400 with a chance of 2e-8 (Wilson-Hilferty: z = 5.5).
CHANCE = 400.0


@pytest.mark.parametrize("ones", [(), (0, 1, 2, 3, 26, 27)], ids=["nothing used", "as much as a report can hold"])
def test_one_share_alone_cannot_be_told_from_chance(ones: tuple[int, ...]) -> None:
    pairs = [make_shares(bits(*ones)) for _ in range(1500)]  # 336 000 bytes on each side
    for side in (0, 1):
        assert chi_square(pair[side] for pair in pairs) < CHANCE
        low = [[pair[side][place] & 0xFF for place in ones] for pair in pairs]  # where a bit would show first
        assert not ones or len({part for share in low for part in share}) == 256


def test_the_test_for_chance_can_fail() -> None:
    assert chi_square([bits(0, 1)] * 100) > CHANCE
    masked = [make_shares(bits(0))[0] for _ in range(1500)]
    assert chi_square([part >> 1 for part in share] for share in masked) > CHANCE, "one missing bit of eight bytes"


def test_the_same_report_sealed_twice_shares_nothing_with_itself() -> None:
    first, second = sealed(0, 0, 1), sealed(0, 0, 1)
    assert set(first.shares).isdisjoint(second.shares)
    assert open_share(first, 0, KEYS[0]) != open_share(second, 0, KEYS[0])


# The seal.


def test_each_keeper_opens_its_own_share_and_the_two_are_the_vector() -> None:
    report = sealed(7, 0, 1, 27)
    assert report.keepers == tuple(key_id(key.public_key()) for key in KEYS)
    shares = [open_share(report, which, key) for which, key in enumerate(KEYS)]
    assert together(*shares) == bits(0, 1, 27)
    assert formats.decode(formats.encode(report)) == report


def test_every_report_of_a_domain_has_the_same_length() -> None:
    assert len({len(formats.encode(sealed(n, *ones))) for n, ones in enumerate([(), (0,), (0, 1, 2, 3, 26, 27)])}) == 1


@settings(max_examples=20)
@given(st.sets(st.integers(0, 25), max_size=3), st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_any_vector_within_the_bounds_survives_the_seal(services: set[int], others: tuple[bool, bool, bool]) -> None:
    vector = [int(others[0]), *(int(place in services) for place in range(25)), int(others[1]), int(others[2])]
    report = seal_report(draft(), vector, [key.public_key() for key in KEYS])
    assert together(open_share(report, 0, KEYS[0]), open_share(report, 1, KEYS[1])) == vector


def test_a_vector_beyond_the_bound_is_refused_because_the_noise_would_not_cover_it() -> None:
    with pytest.raises(ValueError, match="block service has more than 3 ones"):
        sealed(0, 1, 2, 3, 4)


def test_a_share_of_another_key_is_refused_by_name() -> None:
    report = sealed(0, 0)
    for which, key in ((0, KEYS[1]), (1, KEYS[0]), (0, X25519PrivateKey.generate())):
        with pytest.raises(ReportError, match=f"is sealed to the key '{report.keepers[which]}', not to "):
            open_share(report, which, key)


def test_a_key_that_takes_the_place_of_another_opens_nothing() -> None:
    thief = X25519PrivateKey.generate()
    stolen = msgspec.structs.replace(sealed(0, 0), keepers=(key_id(thief.public_key()), key_id(KEYS[1].public_key())))
    with pytest.raises(ReportError, match="cannot be opened: it was changed"):
        open_share(stolen, 0, thief)


def detected(line: str) -> tuple[bool, bool]:
    """Whether each keeper sees that a line was changed."""
    try:
        report = formats.decode(line)
    except ReportError:
        return True, True
    assert isinstance(report, SplitReport)
    seen = []
    for which, key in enumerate(KEYS):
        try:
            open_share(report, which, key)
        except ReportError:
            seen.append(True)
        else:
            seen.append(False)
    return seen[0], seen[1]


def test_a_change_of_any_character_is_seen_by_whoever_it_concerns() -> None:
    line = formats.encode(sealed(3, 0, 1))
    assert detected(line) == (False, False)
    first, second = (line.index(share) for share in formats.decode(line).shares)  # type: ignore[union-attr]
    size = second - first - 3
    for place, old in enumerate(line):
        new = {"9": "8", "f": "e", "z": "y", "Z": "Y"}.get(old, chr(ord(old) + 1))
        seen = detected(line[:place] + new + line[place + 1 :])
        if first <= place < first + size:
            assert seen[0], f"character {place} of the first share"
        elif second <= place < second + size:
            assert seen[1], f"character {place} of the second share"
        else:
            assert seen == (True, True), f"character {place}, {old!r}"


def test_a_share_moved_to_another_report_or_side_is_seen() -> None:
    one, other = sealed(1, 0), sealed(2)
    for moved in (
        msgspec.structs.replace(one, shares=(other.shares[0], one.shares[1])),
        msgspec.structs.replace(one, shares=(one.shares[1], one.shares[0])),
    ):
        with pytest.raises(ReportError, match="cannot be opened: it was changed"):
            open_share(moved, 0, KEYS[0])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param(lambda text: "", "another size", id="empty"),
        pytest.param(lambda text: text[:-4], "another size", id="cut short"),
        pytest.param(lambda text: "é" + text[1:], "no base64", id="no base64"),
        pytest.param(lambda text: text[:-2] + chr(ord(text[-2]) + 1) + "=", "another size", id="bits without meaning"),
        pytest.param(lambda text: base64.b64encode(bytes(32) + base64.b64decode(text)[32:]).decode(), "was changed",
                     id="a key that protects nothing"),
    ],
)  # fmt: skip
def test_a_share_that_is_none_is_a_clear_error(change: Callable[[str], str], error: str) -> None:
    report = sealed(0, 0)
    broken = msgspec.structs.replace(report, shares=(change(report.shares[0]), report.shares[1]))
    with pytest.raises(ReportError, match=error):
        open_share(broken, 0, KEYS[0])


# Keys.


def test_a_public_key_is_read_as_it_was_written() -> None:
    public = KEYS[0].public_key()
    assert keeper_key(key_text(public)) == public


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("", r"has 0 bytes instead of 32\. Copy the line", id="empty"),
        pytest.param("not a key", "is not base64", id="words"),
        pytest.param("é" * 44, "is not base64", id="no ASCII"),
        pytest.param(base64.b64encode(bytes(31)).decode(), "has 31 bytes", id="short"),
        pytest.param(base64.b64encode(bytes(32)).decode(), "protects nothing", id="zero"),
        pytest.param(base64.b64encode(b"\1" + bytes(31)).decode(), "protects nothing", id="one"),
    ],
)
def test_what_is_no_public_key_is_a_clear_error(text: str, error: str) -> None:
    with pytest.raises(PublicKeyError, match=error):
        keeper_key(text)


def test_one_keeper_cannot_be_both() -> None:
    for keys in ([KEYS[0]], [KEYS[0], KEYS[0]], [*KEYS, X25519PrivateKey.generate()]):
        with pytest.raises(PublicKeyError, match="two different keys"):
            sealed(0, keys=keys)


def test_a_workstation_never_loads_the_library_for_the_noise() -> None:
    code = "import sys, bewust.statistics.secret_sharing; sys.exit('opendp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
