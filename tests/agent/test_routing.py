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
@settings(max_examples=5)
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
    hosts = MATCHER.decrypted_hosts()
    assert list(hosts) == sorted(hosts)
    assert "www.google.nl" in hosts and "*.translate.goog" in hosts
    assert "chatgpt.com" not in hosts
    assert all(f'"{host.removeprefix("*.")}"' in PAC for host in hosts)


@settings(max_examples=200)
@given(HOSTS | st.text(max_size=20), st.sampled_from(["", "http://proxy.example:3128"]))
def test_read_back_it_answers_as_the_matcher_plans(host: str, upstream: str) -> None:
    pac = routing.pac(MATCHER, 8787, upstream, ["www.bing.com", "*.live.com"])
    fallback = "PROXY proxy.example:3128" if upstream else "DIRECT"
    name = host.lower().removesuffix(".")
    plan = MATCHER.plan(name)
    ours = f"PROXY 127.0.0.1:8787; {fallback}" if plan is not None else fallback
    direct = name == "www.bing.com" or name.endswith(".live.com") or (upstream and not {".", ":"} & set(name))
    assert routing.routed(pac, host) == ("DIRECT" if direct else ours)


@node
@settings(max_examples=5)
@given(st.lists(HOSTS, min_size=60, max_size=60), st.sampled_from(["", "http://proxy.example:3128"]))
def test_read_back_it_answers_as_javascript_does(hosts: list[str], upstream: str) -> None:
    pac = routing.pac(MATCHER, 8787, upstream, ["www.bing.com", "*.live.com"])
    assert run(pac, [(f"https://{host}/", host) for host in hosts]) == [routing.routed(pac, host) for host in hosts]


@pytest.mark.parametrize("text", ["", "function FindProxyForURL() {}", "var exact = {};", PAC.replace("exact", "x")])
def test_a_pac_of_others_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="did not make"):
        routing.routed(text, "chatgpt.com")
