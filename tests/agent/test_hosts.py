"""A host name is normalised in one place, and an address of this machine or the organisation is known as one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.hosts import is_here, is_internal, normalise_host, parse_address


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("a.example", "a.example"),
        (" A.Example. ", "a.example"),
        ("a.example:443", "a.example"),
        ("a.example.:443", "a.example"),
        ("a.example:", "a.example"),
        ("_x.a-b.example", "_x.a-b.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("ａ.example", "a.example"),
        ("a。example．", "a.example"),
        ("localhost", "localhost"),
        ("", ""),
        (".", ""),
        ("a..example", ""),
        ("a.example..", ""),
        ("-a.example", ""),
        ("a b.example", ""),
        ("a.example/x", ""),
        ("u@a.example", ""),
        ("[::1]", ""),
        ("[::1]:443", ""),
        ("a" * 64 + ".example", ""),
        ("a." * 127 + "ab", ""),
        ("é" * 70, ""),
        ("\ud800.example", ""),
        ("a.example\n.b", ""),
    ],
)
def test_a_host_name_is_normalised_once_or_is_none(written: str, name: str) -> None:
    assert normalise_host(written) == name


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    name = normalise_host(text)
    assert normalise_host(name) == name
    assert name.isascii()
    assert name == name.lower()


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("::ffff:127.0.0.1", True), ("0.0.0.0", True),
        ("fe80::1%eth0", True), ("169.254.169.254", True), ("192.0.2.1", False), ("2001:db8::1", False),
    ],
)  # fmt: skip
def test_addresses_of_this_machine_are_known_in_every_form(address: str, here: bool) -> None:
    assert is_here(address) is here


@given(st.text(), st.lists(st.text(), max_size=3))
def test_any_text_as_host_is_internal_or_not(host: str, internal: list[str]) -> None:
    assert is_internal(host, internal) in (True, False)
    assert not is_internal(
        "www.example.com", ["", "*.", ".", "*", *(h for h in internal if "example" not in h.lower())]
    )


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("A.example.:443", ("a.example", 443)),
        ("[::1]:8443", ("::1", 8443)),
        ("192.0.2.1:1", ("192.0.2.1", 1)),
        ("a.example", None),
        ("a.example:0", None),
        ("a.example:65536", None),
        ("a.example:١", None),
        (":443", None),
    ],
)
def test_connect_names_a_host_and_a_port_or_nothing(target: str, address: tuple[str, int] | None) -> None:
    assert parse_address(target) == address
