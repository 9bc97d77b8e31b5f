"""An inspector in which a layer raises at each request for /raise: a fault of our own that nobody has thought of."""

from collections.abc import Iterator
from typing import Any

from bewust_addons import main

build: Any = main.build


def build_raising(*about: Any) -> Any:
    setup = build(*about)
    from mitmproxy.proxy.layers.http import HttpStream

    request_headers: Any = HttpStream.state_wait_for_request_headers

    def raises(stream: Any, event: Any) -> Iterator[Any]:
        if event.request.path == "/raise":
            raise RuntimeError("https://canary.example/")
        yield from request_headers(stream, event)

    HttpStream.state_wait_for_request_headers = raises  # type: ignore[method-assign]
    return setup


if __name__ == "__main__":
    main.build = build_raising  # type: ignore[assignment]
    main.main()
