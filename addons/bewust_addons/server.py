"""The inspector itself: which hooks there are, mitmproxy's options, and the port.

There is no Master of mitmproxy: nothing here needs its commands, its addon manager or its log.
"""

import asyncio
import contextlib
import ctypes
import gc
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import mitmproxy.ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.certs import CertStore
from mitmproxy.options import Options

from bewust_addons.access import AccessProtocol
from bewust_addons.connection import ConnectionSetup
from bewust_addons.patches import hooks, http1, http2, http_errors, lifetime, liveness, tls
from bewust_addons.patches.hooks import Hooks

# What the layers ask and the addon Proxyserver would define, which we have no use for otherwise.
LAYERS: dict[str, Any] = {
    "connection_strategy": "eager", "store_streamed_bodies": False, "stream_large_bodies": None,
    "body_size_limit": None, "keep_host_header": False, "proxy_debug": False,
    "normalize_outbound_headers": True, "validate_inbound_headers": True,
}  # fmt: skip
TIDY_SECONDS = 10.0
LEAVES = 1000  # kept; more than there are names to mint for (the policy allows 150)


def options(addons: Sequence[Any], **ours: object) -> Options:
    """Return mitmproxy's options with our values, fixed: its own object is slow to ask, and nothing changes."""
    made = Options()
    for addon in addons:
        if hasattr(addon, "load"):
            addon.load(Loader(SimpleNamespace(options=made)))
    made.update(**ours)
    fixed = SimpleNamespace(**LAYERS, **{name: getattr(made, name) for name, _ in made.items()})
    mitmproxy.ctx.options = fixed  # type: ignore[assignment]
    for addon in addons:
        if hasattr(addon, "configure"):
            addon.configure(frozenset(ours))
    return fixed  # type: ignore[return-value]


def build(
    addons: Sequence[object], secret: str, upstream: tuple[str, int] | None = None, **ours: object
) -> ConnectionSetup:
    """Return what all connections share. `addons` hear of flows; the rest as Setup has it."""
    CertStore.STORE_CAP = LEAVES
    all_addons = [NextLayer(), *addons]
    made = Hooks(all_addons)
    hooks.install(made)
    for patch in (tls, http1, http2, lifetime, liveness):
        patch.install()
    http_errors.install(made)
    return ConnectionSetup(options(all_addons, **ours), made, secret, upstream)


async def listen(setup: ConnectionSetup) -> tuple[asyncio.Server, int]:
    """Open a free port on loopback; return the server and the port."""
    server = await asyncio.get_running_loop().create_server(lambda: AccessProtocol(setup), "127.0.0.1", 0, backlog=512)
    return server, int(server.sockets[0].getsockname()[1])


async def tidy(setup: ConnectionSetup) -> None:
    """End connections to sites that have vanished, and give memory back after connections have ended.

    Their layers refer to each other, and C keeps what it had: one may have carried thousands of requests, or hold most
    of a megabyte of zlib's that Python does not count.
    """
    while True:
        await asyncio.sleep(TIDY_SECONDS)
        for site in list(setup.sites):
            if site.vanished:
                site.transport.abort()
        if setup.ended:
            setup.ended = 0
            gc.collect()
            if sys.platform == "linux":
                with contextlib.suppress(AttributeError, OSError):  # not with every C library
                    ctypes.CDLL(None).malloc_trim(0)
