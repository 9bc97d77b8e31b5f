"""A bundle is believed whole or not at all: every byte of it is under the signature."""

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.catalogue.signed_file import LIMIT, MAGIC, Bundle, BundleError, contents, verify_and_decode
from bewust.keys import PublicKeyError, key_id, key_text, publisher_key
from support.bundles import PRIVATE, SHIPPED, STRANGER, WITH_NEW, signed

KEY = key_text(PRIVATE.public_key())
SMALL = signed({"a.toml": "x = 1\n"})


def test_what_was_signed_is_what_is_opened() -> None:
    found, key = verify_and_decode(signed(), [KEY], "f")
    assert (found.version, found.made, dict(found.services)) == ("2026-12", "2026-12-01T10:00:00Z", WITH_NEW)
    assert key == key_id(PRIVATE.public_key())
    assert contents(signed(), "f") == found


def test_the_key_may_be_any_of_those_listed() -> None:
    other = key_text(STRANGER.public_key())
    assert verify_and_decode(SMALL, [other, KEY], "f")[1] == key_id(PRIVATE.public_key())
    for keys in ([], [other]):
        with pytest.raises(BundleError, match="f: its signature fits no key of"):
            verify_and_decode(SMALL, keys, "f")


@given(st.integers(0, len(SMALL) - 1), st.integers(1, 255))
def test_no_changed_byte_is_believed(at: int, change: int) -> None:
    changed = bytearray(SMALL)
    changed[at] ^= change
    with pytest.raises(BundleError):
        verify_and_decode(bytes(changed), [KEY], "f")


@given(st.integers(0, len(SMALL) - 1))
def test_nothing_that_was_cut_short_is_believed(length: int) -> None:
    with pytest.raises(BundleError):
        verify_and_decode(SMALL[:length], [KEY], "f")


@given(st.binary(min_size=1, max_size=200))
def test_nothing_that_was_added_is_believed(more: bytes) -> None:
    with pytest.raises(BundleError, match="its signature fits no key"):
        verify_and_decode(SMALL + more, [KEY], "f")


@given(st.binary(max_size=400))
def test_what_is_no_bundle_is_one_clear_error(data: bytes) -> None:
    for each in (data, MAGIC + data):
        with pytest.raises(BundleError, match=r"^f: "):
            verify_and_decode(each, [KEY], "f")
        with pytest.raises(BundleError, match=r"^f: "):
            contents(each, "f")


def payload(**fields: object) -> bytes:
    """A file with a right signature over an object that need not be right."""
    about = {"schema": "bewust-catalogue/1", "version": "1", "made": "2026-12-01T10:00:00Z", "services": {"a.toml": ""}}
    encoded = msgspec.json.encode({**about, **fields})
    return MAGIC + PRIVATE.sign(MAGIC + encoded) + encoded


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"schema": "bewust-catalogue/2"}, "holds no catalogue"),
        ({"more": 1}, "holds no catalogue"),
        ({"services": ["a.toml"]}, "holds no catalogue"),
        ({"services": {}}, "has 0 files"),
        ({"services": {f"{n}.toml": "" for n in range(4097)}}, "has 4097 files"),
        ({"services": {"../../etc/passwd": ""}}, "'../../etc/passwd' is no name of a file"),
        ({"services": {"a/b.toml": ""}}, "is no name of a file"),
        ({"services": {"C:\\a.toml": ""}}, "is no name of a file"),
        ({"services": {".toml": ""}}, "is no name of a file"),
        ({"services": {"a.toml\n": ""}}, "is no name of a file"),
        ({"services": {"a.toml": "x" * (1 << 20) + "x"}}, "a.toml is larger than 1 MiB"),
        ({"version": ""}, "is no version"),
        ({"version": "a b"}, "is no version"),
        ({"made": "2026-12-01"}, "is no time"),
        ({"made": "٢026-12-01T10:00:00Z"}, "is no time"),
    ],
)
def test_even_what_was_signed_right_is_held_to_the_format(fields: dict[str, object], error: str) -> None:
    with pytest.raises(BundleError, match=f"^f: .*{error}"):
        verify_and_decode(payload(**fields), [KEY], "f")


def test_too_large_a_file_is_refused_before_it_is_read_further() -> None:
    with pytest.raises(BundleError, match="is larger than 8 MiB"):
        verify_and_decode(SMALL + bytes(LIMIT), [KEY], "f")
    with pytest.raises(BundleError, match="is larger than 8 MiB"):
        signed({f"{n}.toml": "x" * (1 << 20) for n in range(9)})


def test_nothing_is_signed_that_would_be_refused() -> None:
    with pytest.raises(BundleError, match="is no version"):
        signed(version="the new one")


def test_the_shipped_catalogue_fits_in_a_bundle_many_times() -> None:
    assert len(signed(SHIPPED)) * 10 < LIMIT


@given(st.dictionaries(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}\.toml", fullmatch=True), st.text(), min_size=1))
def test_any_texts_come_back_as_they_were(services: dict[str, str]) -> None:
    assert verify_and_decode(signed(services), [KEY], "f")[0].services == services


# Keys.


def test_a_key_is_written_and_read() -> None:
    assert publisher_key(KEY) == PRIVATE.public_key()


@dataclass
class Wrong:
    text: str
    says: str


@pytest.mark.parametrize(
    "wrong", [Wrong("é", "is not base64"), Wrong("", "has 0 bytes"), Wrong("AAAA", "has 3 bytes")], ids=lambda w: w.says
)
def test_what_is_no_key_is_one_clear_error(wrong: Wrong) -> None:
    with pytest.raises(PublicKeyError, match=f"{wrong.says}.*bewust catalogue keygen"):
        publisher_key(wrong.text)


def test_a_bundle_names_its_own_format() -> None:
    assert MAGIC.decode().strip() == msgspec.json.decode(SMALL[len(MAGIC) + 64 :], type=Bundle).schema
