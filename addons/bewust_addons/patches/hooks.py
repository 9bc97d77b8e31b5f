"""Hooks as plain calls: an event of mitmproxy goes straight to who listens to it.

mitmproxy sends each event up through all layers, starts a task for it, asks every addon twice and sends
the answer down again; that was 40 % of its time (docs/decisions/0019). Ours never wait, so a layer calls
them where it stands. What is replaced here is pinned by tests/addons/test_server.py.
"""

import logging
from collections.abc import Callable, Generator, Sequence
from typing import Any

from mitmproxy.proxy import events
from mitmproxy.proxy.commands import Command, StartHook
from mitmproxy.proxy.layer import Layer, Paused

from bewust_addons.patches import Patch

type Commands = Generator[Command, Any, Any]

_log = logging.getLogger(__name__)


class Hooks:
    """Who listens to what, by the name of the hook. `addons` are told in this order."""

    def __init__(self, addons: Sequence[object]) -> None:
        self.addons = addons
        self._listening: dict[str, tuple[Callable[[Any], None], ...]] = {}

    def listeners(self, name: str) -> tuple[Callable[[Any], None], ...]:
        """Return who is called."""
        found = self._listening.get(name)
        if found is None:
            calls = (getattr(addon, name, None) for addon in self.addons)
            found = self._listening[name] = tuple(call for call in calls if call is not None)
        return found

    def fire(self, name: str, data: object) -> None:
        """Call everybody who listens; an exception is reported and changes nothing for the rest."""
        for call in self.listeners(name):
            try:
                call(data)
            except Exception:  # noqa: BLE001 - browsing never breaks
                _log.exception("a hook failed")


def install(hooks: Hooks, called: type[StartHook] | tuple[()] = StartHook) -> Patch:
    """Have every layer of this process call `hooks` itself, until the returned patch is closed.

    `called`: which hooks; others are commands that wait for an answer, as mitmproxy has them.
    """
    patch = Patch()
    fire = hooks.fire

    def run(layer: Layer, commands: Commands, reply: object = None) -> Commands:
        """Pass on what a layer commands, until it has to wait."""
        try:
            command = commands.send(reply)
            while True:
                if isinstance(command, called):
                    fire(command.name, *command.__dict__.values())
                elif command.blocking is True:
                    command.blocking = layer  # the layers outside go on: mitmproxy's own way to say it
                    layer._paused = Paused(command, commands)
                    yield command
                    return
                else:
                    yield command
                command = next(commands)
        except StopIteration:
            return

    def handle_event(layer: Layer, event: events.Event) -> Commands:
        """Let a layer handle an event; while it waits, all but the answer is kept for later."""
        if layer._paused is None:
            yield from run(layer, layer._handle_event(event))
            return
        if not isinstance(event, events.CommandCompleted) or event.command is not layer._paused.command:
            layer._paused_event_queue.append(event)
            return
        commands, layer._paused = layer._paused.generator, None
        yield from run(layer, commands, event.reply)
        while layer._paused is None and layer._paused_event_queue:
            yield from run(layer, layer._handle_event(layer._paused_event_queue.popleft()))

    patch.replace(Layer, "handle_event", handle_event)
    return patch
