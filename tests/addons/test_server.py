"""What the inspector takes of mitmproxy and what it replaces: noticed when mitmproxy changes."""

import asyncio
import gc
import hashlib
import inspect
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h2.connection
import pytest
from h2.stream import H2Stream
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.addonmanager import AddonManager
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.certs import CertStore
from mitmproxy.net.http import http1, validate
from mitmproxy.options import Options
from mitmproxy.proxy.layer import Layer
from mitmproxy.proxy.layers import http
from mitmproxy.proxy.layers.http import _http1, _http2, _http_h2
from mitmproxy.proxy.layers.http._events import ErrorCode
from mitmproxy.proxy.layers.tls import ServerTLSLayer, TLSLayer
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler, ServerInstance
from mitmproxy.proxy.server import ConnectionHandler, LiveConnectionHandler
from mitmproxy.proxy.tunnel import TunnelLayer
from OpenSSL import SSL

from bewust.authority import authority
from bewust_addons.server import LAYERS

private: Any = Layer
# By the module that stands in for it or relies on its innards: the digest of the source it was read in.
PINS: dict[str, dict[Callable[..., object] | type, str]] = {
    "patches/hooks": {
        Layer.handle_event: "fd88b0fb09ce",
        private._Layer__process: "37153ddd561f",
        private._Layer__continue: "1b275367b37b",
        ConnectionHandler.hook_task: "9ac797016052",
        ProxyConnectionHandler: "10e340d70b3f",
        AddonManager.handle_lifecycle: "38c97e792d1d",
        AddonManager.trigger_event: "b763c59bc499",
    },
    "connections": {
        ConnectionHandler: "f7209a1273f3",
        LiveConnectionHandler: "7e512dd40fb2",
        ServerInstance.handle_stream: "21eea06f208c",
        http.HttpStream.handle_connect: "58ac37c8d346",
        http.HttpStream.handle_connect_regular: "ae920a520678",
        http.HttpLayer.get_connection: "1aa1c63e3175",
    },
    "patches/tls": {
        TunnelLayer.event_to_child: "119a33642637",
        ServerTLSLayer.event_to_child: "72ccc54bbf63",
        TLSLayer.tls_interact: "62d6d57d43dd",
        TLSLayer.receive_data: "85c0e6b656c3",
        TLSLayer.send_data: "35a29a1b0b0c",
        TLSLayer.receive_handshake_data: "721fe6313c09",
        TunnelLayer._handle_event: "00676a887c45",
        SSL.Connection.recv: "84b0e9671ae3",
        SSL.Connection.bio_read: "bc83763ed40f",
        SSL.Connection._raise_ssl_error: "04b0d7964c73",
    },
    "patches/http1": {
        _http1.Http1Connection.read_body: "aece271029af",
        _http1.Http1Server.send: "cc218a1337c0",
        _http1.Http1Client.send: "35d961e20d48",
        _http1.Http1Client.read_headers: "415454c5fa8b",
        _http1.Http1Server.read_headers: "3fe0945216bc",
        _http1.make_body_reader: "9b076acda459",
        http.HttpStream._handle_event: "e3cbfef7310a",
        ChunkedReader: "4d2629eeaaf3",
        ReceiveBuffer: "108c4355eb3b",
    },
    "patches/response_heads": {
        http1.read_response_head: "7f1f014abc5e",
        http1.expected_http_body_size: "bf258f07286c",
        validate.validate_headers: "e7647a947043",
        validate.parse_transfer_encoding: "63a109c6a901",
        http.HttpStream.check_invalid: "ef0a126eef45",
    },
    "patches/http2_frames": {
        _http_h2.BufferedH2Connection: "f983b7220f47",
        h2.connection.H2Connection._receive_frame: "39b2e16b4fd7",
        h2.connection.H2Connection._receive_headers_frame: "4a014e7d795a",
        h2.connection.H2Connection._receive_data_frame: "09803eef3f56",
        h2.connection.H2Connection._receive_goaway_frame: "de018f94938e",
        H2Stream._initialize_content_length: "f8735c1f4f06",
        H2Stream.receive_headers: "de94d278ff7d",
    },
    "patches/http2": {
        http.GetHttpConnection.connection_spec_matches: "d1c7cdec843e",
        http.HttpStream.handle_protocol_error: "59fc3b2eeeab",
        _http2.Http2Connection._handle_event: "a7f4a7a71d31",
        _http2.Http2Connection.handle_h2_event: "f6b6a52b1254",
        _http2.Http2Client: "a113056f7d2b",
        _http2.Http2Server: "97aac4eab18a",
        h2.connection.H2Connection.acknowledge_received_data: "a4280c825a0c",
    },
    "patches/lifetime": {
        http.HttpLayer._handle_event: "6ba31883cc7a",
        http.HttpLayer.event_to_child: "1095f6e1581d",
        http.HttpLayer.get_connection: "1aa1c63e3175",
        http.HttpStream.handle_protocol_error: "59fc3b2eeeab",
        http.HttpStream.check_invalid: "ef0a126eef45",
    },
    "patches/http_errors": {
        _http1.make_error_response: "03ce75ab62e8",
        _http1.Http1Server: "cc8428d0bb6f",
        _http2.Http2Connection.protocol_error: "461f5e7de9c9",
        _http2.Http2Connection._handle_event: "a7f4a7a71d31",
        ErrorCode.http_status_code: "4c08deb71c96",
    },
    "patches/liveness": {
        _http2.Http2Client: "a113056f7d2b",
        _http2.Http2Connection.close_connection: "44b76ed198e7",
    },
    "inspector": {CertStore.expire: "a9f77838cdc7", CertStore.get_cert: "27b572900de2"},
}


@pytest.mark.parametrize("module", PINS)
def test_what_a_module_replaces_is_as_it_was(module: str) -> None:
    """On a failure: read what mitmproxy does now, adapt addons/bewust_addons/MODULE.py, then write the new digest."""
    now = {what: hashlib.sha256(inspect.getsource(what).encode()).hexdigest()[:12] for what in PINS[module]}
    assert {what.__qualname__: now[what] for what in now if now[what] != PINS[module][what]} == {}


def test_the_options_of_the_layers_are_those_of_mitmproxys_own_addon() -> None:
    class Loader:
        def __init__(self) -> None:
            self.found: dict[str, object] = {}

        def add_option(self, name: str, kind: object, default: object, text: str, choices: object = None) -> None:
            self.found[name] = default

    loader = Loader()
    Proxyserver().load(loader)
    del loader.found["connect_addr"]  # which only that addon reads
    assert loader.found == LAYERS


def test_nothing_of_ours_that_matters_is_an_assertion(tmp_path: Path) -> None:
    """It runs with -O: the same request as ever is recognised, and mitmproxy checks nothing needlessly."""
    code = (
        "from mitmproxy.net.http.http1 import read_request_head\n"
        "from mitmproxy.proxy.utils import expect\n"
        "same = lambda self, event: None\n"
        "print(__debug__, expect(int)(same) is same)\n"
    )
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"


def test_memory_is_given_back_only_after_connections_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    from bewust_addons import server
    from bewust_addons.connection import ConnectionSetup
    from bewust_addons.patches.hooks import Hooks

    collected: list[int] = []
    monkeypatch.setattr(server, "TIDY_SECONDS", 0.01)
    monkeypatch.setattr(gc, "collect", lambda: collected.append(1))
    setup = ConnectionSetup(Options(), Hooks([]), "", ended=0)

    async def wait() -> None:
        tidying = asyncio.ensure_future(server.tidy(setup))
        await asyncio.sleep(0.1)
        assert not collected
        setup.ended += 1
        await asyncio.sleep(0.1)
        tidying.cancel()

    asyncio.run(wait())
    assert (len(collected), setup.ended) == (1, 0)


def test_leaves_are_signed_with_a_short_key_and_kept(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from bewust_addons import server

    authority.issue(tmp_path, ["www.google.nl"], datetime.now(UTC))
    store = CertStore.from_store(tmp_path, "mitmproxy", 2048)
    assert isinstance(store.default_privatekey, EllipticCurvePrivateKey)
    assert server.LEAVES > 150, "the most names that a policy may have"
