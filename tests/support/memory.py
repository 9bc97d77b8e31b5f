"""What a process weighs."""

import ssl
from collections.abc import Callable
from pathlib import Path

import h2.config
import h2.connection
import h2.events

type Talk = h2.connection.H2Connection


MIB = 1 << 20


ASK = [(":method", "GET"), (":scheme", "https"), (":authority", "www.google.nl"), (":path", "/complete/x")]


OK = [(":status", "200")]


class Talking:
    """One end of an HTTP/2 connection over a blocking socket."""

    def __init__(self, connection: ssl.SSLSocket, *, client: bool) -> None:
        self.socket = connection
        self.talk = h2.connection.H2Connection(h2.config.H2Configuration(client_side=client, header_encoding="utf-8"))
        self.talk.DEFAULT_MAX_HEADER_LIST_SIZE = self.talk.decoder.max_header_list_size = 1 << 20
        self.talk.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.socket.sendall(self.talk.data_to_send())

    def events(self) -> list[h2.events.Event]:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError
        found = self.talk.receive_data(data)
        self.flush()
        return found


def answering(answer: Callable[[Talk, int], None]) -> Callable[[ssl.SSLSocket], None]:
    """Serve each request, once it is complete, with `answer`."""

    def serve(connection: ssl.SSLSocket) -> None:
        end = Talking(connection, client=False)
        while True:
            for event in end.events():
                if isinstance(event, h2.events.DataReceived):
                    end.talk.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if isinstance(event, h2.events.StreamEnded):
                    answer(end.talk, event.stream_id)
            end.flush()

    return serve


def plain(talk: Talk, stream: int) -> None:
    talk.send_headers(stream, [*OK, ("content-length", "5")])
    talk.send_data(stream, b"hello", end_stream=True)


def resident(pid: int) -> float:
    """MiB of memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / MIB
