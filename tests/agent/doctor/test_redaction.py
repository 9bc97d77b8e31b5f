"""What identifies does not survive, whatever stands around it; what support needs does."""

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bewust.doctor.redaction import ADDRESS, HOST, SECRET, SET, USER, WORD, Redactor

PLACES = (ADDRESS, HOST, SECRET, SET, USER)
KNOWN = ("chatgpt.com", "*.translate.goog", "www.google.nl")
PLAIN = Redactor({}, KNOWN)
AROUND = st.text(alphabet=st.sampled_from(list("ab/\\ :.,\"'@[](){}=-_0\n")), max_size=12)
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
WORDS = st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N")), min_size=WORD, max_size=20)


@given(WORDS, AROUND, AROUND)
@example("jansen", "/home/", "/x")
def test_a_word_that_identifies_is_gone_wherever_it_stands(word: str, before: str, after: str) -> None:
    assume(not any(word.lower() in place for place in PLACES))
    out = Redactor({word: USER}, KNOWN).value({"a": [before + word + after], word: "x"})
    assert word.lower() not in repr(out).lower()


@pytest.mark.parametrize("text", ["jan", "Jan:", "/srv/jan/x", "(jan)", "x_jan_y", "jan-1", "uid=jan"])
def test_a_short_word_is_gone_where_it_stands_alone(text: str) -> None:
    assert not re.search("jan", Redactor({"jan": USER}, KNOWN).text(text), re.IGNORECASE)
    assert Redactor({"jan": USER}, KNOWN).text("januari") == "januari"


@given(st.lists(LABEL, min_size=1, max_size=4), st.sampled_from(["nl", "example", "local", "xn--p1ai", "CORP"]), AROUND)
def test_a_host_that_is_not_the_catalogues_is_gone(labels: list[str], top: str, around: str) -> None:
    host = ".".join([*labels, top])
    assume(host.lower() not in KNOWN)
    out = PLAIN.text(f"{around} {host} {around}")
    assert host not in out


@given(st.ip_addresses(), AROUND)
def test_an_address_is_gone(address: object, around: str) -> None:
    written = str(address)
    assume(written not in ("127.0.0.1", "::1", "::"))
    assert written not in PLAIN.text(f"x {written}, y {around}")
    assert written not in PLAIN.text(f"x [{written}]:443")


GONE = {
    "a home": ("/home/jansen/x", f"/home/{USER}/x"),
    "a home on macOS": ("/Users/jansen", f"/Users/{USER}"),
    "a home on Windows": (r"C:\Users\jansen\AppData", rf"C:\Users\{USER}\AppData"),
    "a user id": ("/run/user/1000/bus", f"/run/user/{USER}/bus"),
    "systemd's user": ("user@1000.service", f"user@{USER}.service"),
    "a user id in words": ("uid=1000", f"uid={USER}"),
    "an address to write to": ("mail j.jansen@minbzk.example now", f"mail {ADDRESS} now"),
    "a proxy without a dot": ("http://proxy:3128", f"http://{HOST}"),
    "a proxy with a name and a password": ("http://a:b@proxy.example:3128/x", f"http://{HOST}/x"),
    "a name below one of the catalogue": ("nl-m-wikipedia-org.translate.goog", HOST),
    "a port of an address": ("192.0.2.7:443", f"{ADDRESS}:443"),
    "an interface's number": ("aa:bb:cc:dd:ee:ff", ADDRESS),
}


@pytest.mark.parametrize("case", GONE)
def test_patterns_of_what_is_not_known_beforehand(case: str) -> None:
    text, out = GONE[case]
    assert PLAIN.text(text) == out


@pytest.mark.parametrize("text", [
    "chatgpt.com", "WWW.google.nl", "*.translate.goog", "http://127.0.0.1:8787/proxy.pac", "127.0.0.1", "::1",
    "bewust.service does not run (journalctl -u bewust.service)", "/var/lib/bewust/root.pem", "policy.toml",
    "2026-11-24 20:15:01,123 INFO files: done", "Chromium 140.0.7339.16", "0.1.0", "6.12.48+deb13-amd64",
    "message: KeyError",
])  # fmt: skip
def test_what_support_needs_stays(text: str) -> None:
    assert PLAIN.text(text) == text


def test_the_longest_word_goes_first_and_what_was_put_in_is_left_alone() -> None:
    redact = Redactor({"ministerie": SET, "ministerie van x": SECRET, "": USER}, KNOWN)
    assert redact.text("Ministerie van X, ministerie") == f"{SECRET}, {SET}"
    assert redact.value({"n": 1, "t": (None, True, "ministerie")}) == {"n": 1, "t": [None, True, SET]}
