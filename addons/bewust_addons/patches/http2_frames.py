"""Frames of HTTP/2, read so that one of them ends no more than it is about.

h2 ends the connection on a leave of the other side (GOAWAY), and on much that is wrong with one stream. What is
replaced here is pinned by tests/addons/test_server.py.
"""

from copy import copy
from dataclasses import dataclass
from typing import Any

import h2.events
import h2.stream
from h2.connection import ConnectionState
from h2.errors import ErrorCodes
from h2.exceptions import InvalidBodyLengthError, ProtocolError, StreamClosedError
from h2.stream import H2Stream, StreamClosedBy
from hpack.exceptions import HPACKError
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame
from mitmproxy.proxy.layers.http import _http2
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection, SendH2Data

from bewust_addons.patches import Patch

WINDOW = 4 << 20  # bytes a site may send of one answer before we say more; at 100 ms away, 40 MB a second
HEADERS = 1 << 20  # bytes of a head; browsers take 256 KiB


@dataclass(kw_only=True)
class GoAwayReceived(h2.events.Event):
    """The other side takes no new stream, and will not look at ours above `last_stream_id`."""

    last_stream_id: int


class WindowedH2Connection(BufferedH2Connection):
    """mitmproxy's, with a window that somebody's memory can hold, and errors of a stream that end that stream.

    Towards a site it leaves heads and lengths to response_heads.py and the browser; h2 would end the connection.
    """

    DEFAULT_MAX_HEADER_LIST_SIZE = HEADERS

    def __init__(self, config: Any) -> None:
        if config.client_side:
            config = copy(config)
            config.validate_inbound_headers = False
        super().__init__(config)
        self.local_settings.initial_window_size = WINDOW
        self.local_settings.acknowledge()
        self._frame_dispatch_table[GoAwayFrame] = _receive_go_away

    def send_data(self, stream_id: int, data: Any, end_stream: bool = False, pad_length: None = None) -> None:
        """Send, or keep until there is a window; one below 0, as settings can make it, mitmproxy takes for room."""
        if not self.stream_buffers.get(stream_id) and self.local_flow_control_window(stream_id) < 0:
            self.stream_buffers[stream_id].append(SendH2Data(b"", end_stream=False))
        super().send_data(stream_id, data, end_stream)

    def forget_stream(self, stream_id: int) -> None:
        """Close a stream whatever state it is in, without a word; what still comes on it is ignored."""
        self.stream_buffers.pop(stream_id, None)
        self.stream_trailers.pop(stream_id, None)
        if (stream := self.streams.get(stream_id)) is not None:
            stream.state_machine.state = h2.stream.StreamState.CLOSED
            stream.state_machine.stream_closed_by = StreamClosedBy.SEND_RST_STREAM

    def _receive_frame(self, frame: Frame) -> list[h2.events.Event]:
        try:
            return super()._receive_frame(frame)
        except ProtocolError as error:
            if not self._is_of_one_stream(frame, error):
                raise
        known = frame.stream_id in self.streams
        if isinstance(frame, DataFrame):
            self.acknowledge_received_data(frame.flow_controlled_length, frame.stream_id)
        self.forget_stream(frame.stream_id)
        reset = RstStreamFrame(frame.stream_id, error_code=ErrorCodes.PROTOCOL_ERROR)
        self._prepare_for_sending([reset])
        return [h2.events.StreamReset(stream_id=frame.stream_id, error_code=reset.error_code)] if known else []

    def _is_of_one_stream(self, frame: Frame, error: ProtocolError) -> bool:
        return (
            self.config.client_side
            and isinstance(frame, HeadersFrame | DataFrame)
            and type(error) in (ProtocolError, InvalidBodyLengthError, StreamClosedError)
            and not isinstance(error.__cause__, HPACKError)  # which leaves no table for the heads that follow
            and self.state_machine.state is not ConnectionState.CLOSED
            and frame.stream_id <= self.highest_outbound_stream_id
        )


def _receive_go_away(frame: GoAwayFrame) -> tuple[list[Frame], list[h2.events.Event]]:
    """Leave the connection open, unlike h2: what is under way goes on."""
    return [], [GoAwayReceived(last_stream_id=frame.last_stream_id)]


def install() -> Patch:
    """Have every HTTP/2 connection of this process read so, until the returned patch is closed."""
    patch = Patch()
    patch.replace(_http2, "BufferedH2Connection", WindowedH2Connection)
    original = H2Stream._initialize_content_length

    def initialize_content_length(stream: H2Stream, headers: Any) -> None:
        if not stream.config.client_side:  # a browser sees for itself whether an answer is whole
            original(stream, headers)

    patch.replace(H2Stream, "_initialize_content_length", initialize_content_length)
    return patch
