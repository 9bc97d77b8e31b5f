"""The PAC as a real JavaScript engine runs it, and that it agrees with the matcher."""

import base64
import json
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bewust import catalogue, policy, routing
from bewust.matching import compile_services
from bewust.model import Depth

RULES = policy.load()
MATCHER = compile_services(catalogue.load(countries=RULES.countries), RULES.depth_of)
PAC = routing.pac(MATCHER, 8787)
OURS, DIRECT = "PROXY 127.0.0.1:8787; DIRECT", "DIRECT"
node = pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")


def run(pac: str, asked: list[tuple[str, str]]) -> list[str]:
    """What FindProxyForURL answers to each (url, host), in Node.js."""
    script = f"{pac}\nconsole.log(JSON.stringify({json.dumps(asked)}.map(a => FindProxyForURL(a[0], a[1]))));"
    done = subprocess.run(["node", "-"], input=script, capture_output=True, text=True, check=True)
    answers: list[str] = json.loads(done.stdout)
    return answers


CASES = {
    "exact": ("https://www.google.nl/", "www.google.nl", OURS),
    "by name": ("https://chatgpt.com/", "chatgpt.com", OURS),
    "below": ("https://a-b.translate.goog/", "a-b.translate.goog", OURS),
    "deep below": ("https://a.b.translate.goog/", "a.b.translate.goog", OURS),
    "the name itself is not below": ("https://translate.goog/", "translate.goog", DIRECT),
    "capitals": ("https://WWW.Google.NL/", "WWW.Google.NL", OURS),
    "last dot": ("https://www.google.nl./", "www.google.nl.", OURS),
    "websocket": ("wss://chatgpt.com/ws", "chatgpt.com", OURS),
    "http": ("http://www.google.nl/", "www.google.nl", DIRECT),
    "plain websocket": ("ws://chatgpt.com/", "chatgpt.com", DIRECT),
    "other": ("https://www.example.org/", "www.example.org", DIRECT),
    "longer": ("https://notchatgpt.com/", "notchatgpt.com", DIRECT),
    "deeper": ("https://x.chatgpt.com/", "x.chatgpt.com", DIRECT),
    "as a label": ("https://chatgpt.com.evil.example/", "chatgpt.com.evil.example", DIRECT),
    "suffix": ("https://x.translate.goog.evil.example/", "x.translate.goog.evil.example", DIRECT),
    "not a host": ("https://constructor/", "constructor", DIRECT),
    "prototype": ("https://a.__proto__/", "a.__proto__", DIRECT),
    "empty": ("https:///", "", DIRECT),
    "address": ("https://127.0.0.1/", "127.0.0.1", DIRECT),
}


@node
def test_only_catalogued_hosts_over_https_go_to_the_agent() -> None:
    answers = run(PAC, [(url, host) for url, host, _ in CASES.values()])
    wrong = {name: got for (name, case), got in zip(CASES.items(), answers, strict=True) if got != case[2]}
    assert not wrong


@node
def test_the_organisations_own_route_is_the_fall_back() -> None:
    theirs = "PROXY proxy.example:8080"
    pac = routing.pac(MATCHER, 1, "http://proxy.example:8080", ["*.intranet.example", "portal.example"])
    hosts = ["chatgpt.com", "www.example.org", "a.b.intranet.example", "portal.example", "intranet.example", "wiki"]
    ways = [f"PROXY 127.0.0.1:1; {theirs}", theirs, "DIRECT", "DIRECT", theirs, "DIRECT"]
    assert run(pac, [(f"https://{host}/", host) for host in hosts]) == ways
    assert run(pac, [("http://www.example.org/", "www.example.org"), ("http://wiki/", "wiki")]) == [theirs, "DIRECT"]


LISTED = [host.removeprefix("*.") for host in MATCHER.hosts(*Depth)]
HOSTS = st.builds(
    lambda before, host, after: before + host + after,
    st.sampled_from(["", "a.", "a.b.", "x", "-", "."]),
    st.sampled_from(LISTED),
    st.sampled_from(["", ".", ".nl", "x", ".."]),
)


@node
@settings(max_examples=5, deadline=None)
@given(st.lists(HOSTS, min_size=60, max_size=60))
def test_pac_and_matcher_agree_on_every_host(hosts: list[str]) -> None:
    names = [host for host in hosts if not host.endswith("..") and not host.startswith((".", "-"))]
    answers = run(PAC, [(f"https://{host}/", host) for host in names])
    assert [answer == OURS for answer in answers] == [MATCHER.find(host) is not None for host in names]


def test_the_data_url_is_the_same_file() -> None:
    kind, _, content = routing.data_url(PAC).partition(";base64,")
    assert kind == "data:application/x-ns-proxy-autoconfig"
    assert base64.b64decode(content).decode() == PAC


def test_the_decrypt_list_is_what_is_deeper_than_a_name() -> None:
    hosts = routing.decrypt_list(MATCHER)
    assert list(hosts) == sorted(hosts)
    assert "www.google.nl" in hosts and "*.translate.goog" in hosts
    assert "chatgpt.com" not in hosts
    assert all(f'"{host.removeprefix("*.")}"' in PAC for host in hosts)
