"""mitmproxy flow file -> Exchange lines on standard output, as a process of its own.

`python -m bewust_addons.flowfile FILE`: exit 0, or 1 when the file could not be read to its end;
what came before that has been written.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from mitmproxy.exceptions import FlowReadException
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader

from bewust.detection import Exchange, observe
from bewust.detection.bodies import media_type


def exchanges(path: Path) -> Iterator[Exchange]:
    """Yield the HTTP flows of a file, numbered among all its flows. Raises FlowReadException and OSError."""
    with path.open("rb") as file:
        try:
            for number, flow in enumerate(FlowReader(file).stream()):
                if isinstance(flow, HTTPFlow):
                    yield _exchange(number, flow)
        except Exception as error:  # of a flow without its keys mitmproxy raises whatever comes
            raise FlowReadException("is no flow") from error


def _exchange(number: int, flow: HTTPFlow) -> Exchange:
    request, response = flow.request, flow.response
    headers = [(_text(name), _text(value)) for name, value in request.headers.items(multi=True)]
    websocket = flow.websocket is not None or request.headers.get("upgrade", "").lower() == "websocket"
    seen = observe(_text(request.method), _text(request.pretty_url), headers, websocket=websocket)
    frames = flow.websocket.messages if flow.websocket is not None else ()
    exchange = Exchange(
        number,
        seen,
        sent=request.raw_content or b"",
        sent_encoding=_text(request.headers.get("content-encoding", "")),
        frames=tuple((message.from_client, message.content) for message in frames),
    )
    if response is None:
        return exchange
    return msgspec.structs.replace(
        exchange,
        type=media_type(_text(response.headers.get("content-type", ""))),
        encoding=_text(response.headers.get("content-encoding", "")),
        status=response.status_code,
        body=response.raw_content or b"",
    )


def _text(recorded: str) -> str:
    """Return what a line of JSON can hold: mitmproxy keeps bytes that are no text as surrogates."""
    return recorded.encode("utf-8", "replace").decode()


def main() -> int:
    """Write every exchange of the file named on the command line."""
    try:
        for exchange in exchanges(Path(sys.argv[1])):
            sys.stdout.buffer.write(msgspec.json.encode(exchange) + b"\n")
    except (FlowReadException, OSError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
