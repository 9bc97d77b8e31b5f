"""Hooks as plain calls: who hears what, in which order, and what a failure changes."""

import logging
from collections.abc import Generator
from typing import Any

import pytest
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import Layer
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook
from mitmproxy.test import tflow

from bewust_addons.patches import hooks
from bewust_addons.patches.hooks import Hooks


class Recorder:
    """An addon that keeps what it heard."""

    def __init__(self, name: str, heard: list[tuple[str, object]]) -> None:
        self._name, self._heard = name, heard

    def request(self, flow: object) -> None:
        self._heard.append((self._name, flow))


class Broken:
    def request(self, flow: object) -> None:
        raise ValueError("https://secret.example/")


def test_all_who_listen_are_called_in_order_and_nobody_else() -> None:
    heard: list[tuple[str, object]] = []
    made = Hooks([Recorder("first", heard), object(), Recorder("second", heard)])
    made.fire("request", 1)
    made.fire("response", 2)
    assert heard == [("first", 1), ("second", 1)]


def test_a_failure_is_reported_and_the_next_one_is_called(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[tuple[str, object]] = []
    with caplog.at_level(logging.ERROR):
        Hooks([Broken(), Recorder("next", heard)]).fire("request", 1)
    assert heard == [("next", 1)]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ValueError]


class Waiting(Layer):
    """A layer that asks for a hook, then waits for a connection, then says what it got."""

    def _handle_event(self, event: events.Event) -> Generator[commands.Command, Any, None]:
        if isinstance(event, events.DataReceived):
            yield commands.SendData(self.context.client, event.data)
            return
        assert (yield HttpRequestHook(tflow.tflow())) is None
        error = yield commands.OpenConnection(self.context.server)
        yield commands.SendData(self.context.client, str(error).encode())


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> Waiting:
    from mitmproxy.options import Options
    from mitmproxy.proxy.context import Context

    monkeypatch.setattr(Layer, "handle_event", Layer.handle_event)  # put back what install replaces
    heard: list[tuple[str, object]] = []
    hooks.install(Hooks([Recorder("only", heard)]))
    made = Waiting(Context(tflow.tclient_conn(), Options()))
    made.heard = heard  # type: ignore[attr-defined]
    return made


def test_a_layer_calls_hooks_itself_and_waits_for_the_rest(layer: Waiting) -> None:
    begun = list(layer.handle_event(events.Start()))
    assert [type(command) for command in begun] == [commands.OpenConnection]
    assert len(layer.heard) == 1  # type: ignore[attr-defined]
    early = events.DataReceived(layer.context.client, b"early")
    assert list(layer.handle_event(early)) == [], "kept until the answer is there"
    other = commands.OpenConnection(layer.context.server)
    assert list(layer.handle_event(events.OpenConnectionCompleted(other, None))) == [], "not the answer"
    opened = begun[0]
    assert isinstance(opened, commands.OpenConnection)
    said = list(layer.handle_event(events.OpenConnectionCompleted(opened, "no")))
    assert [command.data for command in said if isinstance(command, commands.SendData)] == [b"no", b"early"]
