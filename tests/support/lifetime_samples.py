"""What several tests share."""

from typing import Any

import h2.config
import h2.connection
import h2.events

from addons.layers import Played

GET = b"GET /x HTTP/1.1\r\nHost: www.google.nl\r\n\r\n"


ASK = [(":method", "GET"), (":scheme", "https"), (":authority", "www.google.nl"), (":path", "/x")]


POST = [(":method", "POST"), *ASK[1:]]


class Talk:
    """The two ends of a played connection as HTTP/2 has them."""

    def __init__(self) -> None:
        self.played = Played(b"h2")
        self.browser = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.site = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.heard: list[h2.events.Event] = []  # by the browser
        self.asked: list[h2.events.Event] = []  # by the site
        self.browser.initiate_connection()
        self.site.initiate_connection()
        self.pass_on()

    def pass_on(self) -> None:
        """Let all hear what was said."""
        for _ in range(4):
            self.played.asks(self.browser.data_to_send())
            self.played.answers(self.site.data_to_send())
            for end, who, heard in (
                (self.browser, self.played.client, self.heard), (self.site, self.played.server, self.asked),
            ):  # fmt: skip
                said, self.played.said[who] = self.played.said[who], b""
                heard.extend(end.receive_data(said))

    def ask(self, *more: tuple[str, str], stream: int = 1, head: Any = ASK) -> None:
        self.browser.send_headers(stream, [*head, *more], end_stream=True)
        self.pass_on()

    def answer(self, stream: int = 1, body: bytes = b"ok", *, end: bool = True) -> None:
        self.site.send_headers(stream, [(":status", "200")])
        self.site.send_data(stream, body, end_stream=end)
        self.pass_on()

    def got(self, kind: type[h2.events.Event]) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]
