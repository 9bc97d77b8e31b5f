"""Sites that are whole servers, as people run them: hypercorn and Node."""

import asyncio
import contextlib
import select
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route, WebSocketRoute

from e2e.servers.http1 import PAGE
from e2e.servers.origin import Certificate, Relayed
from e2e.world import ws_echo

IDLE = 1  # seconds; hypercorn's own default is five
NODE = Path(__file__).with_name("site.mjs")


def hypercorn() -> Relayed:
    return Relayed(_hypercorn)


def node() -> Relayed:
    return Relayed(_node)


@contextlib.contextmanager
def _hypercorn(certificate: Certificate) -> Iterator[int]:
    async def page(request: object) -> HTMLResponse:
        return HTMLResponse(PAGE, headers={"cache-control": "no-store"})

    app = cast(ASGIFramework, Starlette(routes=[Route("/", page), WebSocketRoute("/ws", ws_echo)]))
    listening = socket.create_server(("127.0.0.1", 0))
    port: int = listening.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.certfile = config.keyfile = str(certificate.chain)
    config.keep_alive_timeout = IDLE
    config.loglevel = "CRITICAL"
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    loop.set_exception_handler(lambda *_: None)  # hypercorn leaves what a client does at the end unhandled

    async def run() -> None:
        serving = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
        await stop.wait()
        await asyncio.wait({serving}, timeout=0.3)  # only idle connections end by themselves
        serving.cancel()
        for left in list(getattr(loop, "_transports", {}).values()):
            left.abort()
        await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@contextlib.contextmanager
def _node(certificate: Certificate) -> Iterator[int]:
    running = subprocess.Popen(
        ["node", str(NODE), str(certificate.chain), str(IDLE * 1000)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        assert select.select([running.stdout], [], [], 30)[0], "node does not start"
        yield int(running.stdout.readline())
    finally:
        running.terminate()
        running.wait(10)
        assert running.stdout is not None
        running.stdout.close()
