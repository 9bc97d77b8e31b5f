"""The PAC as a real JavaScript engine runs it, and that it agrees with the matcher."""

import base64

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.pac_engine import answer, answers
from bewust.catalogue import loading
from bewust.catalogue.matching import compile_services
from bewust.config import policy
from bewust.model import Depth
from bewust.proxy import pac as proxy_pac

RULES = policy.load()
MATCHER = compile_services(loading.load(countries=RULES.countries), RULES.depth_of)
PAC = proxy_pac.pac(MATCHER, 8787)
OURS, DIRECT = "PROXY 127.0.0.1:8787; DIRECT", "DIRECT"


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


def test_only_catalogued_hosts_over_https_go_to_the_agent() -> None:
    found = answers(PAC, [(url, host) for url, host, _ in CASES.values()])
    wrong = {name: got for (name, case), got in zip(CASES.items(), found, strict=True) if got != case[2]}
    assert not wrong


def test_the_organisations_own_route_is_the_fall_back() -> None:
    theirs = "PROXY proxy.example:8080"
    pac = proxy_pac.pac(MATCHER, 1, "http://proxy.example:8080", ["*.intranet.example", "portal.example"])
    hosts = ["chatgpt.com", "www.example.org", "a.b.intranet.example", "portal.example", "intranet.example", "wiki"]
    ways = [f"PROXY 127.0.0.1:1; {theirs}", theirs, "DIRECT", "DIRECT", theirs, "DIRECT"]
    assert answers(pac, [(f"https://{host}/", host) for host in hosts]) == ways
    assert answers(pac, [("http://www.example.org/", "www.example.org"), ("http://wiki/", "wiki")]) == [
        theirs,
        "DIRECT",
    ]


LISTED = [host.removeprefix("*.") for host in MATCHER.hosts(*Depth)]
HOSTS = st.builds(
    lambda before, host, after: before + host + after,
    st.sampled_from(["", "a.", "a.b.", "x", "-", "."]),
    st.sampled_from(LISTED),
    st.sampled_from(["", ".", ".nl", "x", ".."]),
)


@settings(max_examples=5)
@given(st.lists(HOSTS, min_size=60, max_size=60))
def test_pac_and_matcher_agree_on_every_host(hosts: list[str]) -> None:
    names = [host for host in hosts if not host.endswith("..") and not host.startswith((".", "-"))]
    found = answers(PAC, [(f"https://{host}/", host) for host in names])
    assert [way == OURS for way in found] == [MATCHER.find(host) is not None for host in names]


def test_the_data_url_is_the_same_file() -> None:
    kind, _, content = proxy_pac.data_url(PAC).partition(";base64,")
    assert kind == "data:application/x-ns-proxy-autoconfig"
    assert base64.b64decode(content).decode() == PAC


def test_the_decrypt_list_is_what_is_deeper_than_a_name() -> None:
    hosts = MATCHER.decrypted_hosts()
    assert list(hosts) == sorted(hosts)
    assert "www.google.nl" in hosts and "*.translate.goog" in hosts
    assert "chatgpt.com" not in hosts
    assert all(f'"{host.removeprefix("*.")}"' in PAC for host in hosts)


# A browser normalises a host before it asks: what it asks about has no text in it that is none.
ASKED = HOSTS.filter(lambda host: not host.startswith((".", "-")) and ".." not in host)


@settings(max_examples=200)
@given(ASKED, st.sampled_from(["", "http://proxy.example:3128"]))
def test_every_host_goes_where_the_matcher_and_the_organisation_plan_it(host: str, upstream: str) -> None:
    pac = proxy_pac.pac(MATCHER, 8787, upstream, ["www.bing.com", "*.live.com"])
    fallback = "PROXY proxy.example:3128" if upstream else "DIRECT"
    name = host.lower().removesuffix(".")
    ours = f"PROXY 127.0.0.1:8787; {fallback}" if MATCHER.host_rules(name) is not None else fallback
    direct = name == "www.bing.com" or name.endswith(".live.com") or (upstream and not {".", ":"} & set(name))
    assert answer(pac, host) == ("DIRECT" if direct else ours)
