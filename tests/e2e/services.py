"""A program of the test's own on the session bus: what it answers is told, what it was asked is kept.

Belongs here: being any desktop's service, a notification server among them, or a stranger that sends
what is not its to send. Not here: the bus itself (desktop).

    async with Service([SERVER], able_to("actions")) as server:
        ...
        await server.emit("ActionInvoked", "us", (1, "open"))
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from jeepney import (
    DBusAddress,
    HeaderFields,
    Message,
    MessageType,
    message_bus,
    new_error,
    new_method_return,
    new_signal,
)
from jeepney.io.asyncio import DBusRouter, open_dbus_connection

SERVER = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
# (interface, method, arguments...) or (interface, method) -> signature and contents of the answer; None: an error
Answers = Mapping[tuple[object, ...], tuple[str, tuple[object, ...]] | None]


def able_to(*capabilities: str) -> Answers:
    """The answer of a notification server that has `capabilities`."""
    return {
        (SERVER, "GetCapabilities"): ("as", (list(capabilities),)),
        (SERVER, "GetServerInformation"): ("ssss", ("test", "Bewust", "1", "1.2")),  # notify-send asks
    }


class Service:
    """One connection that owns `names`. What Notify asks gets a number, unless `answers` say otherwise.

    `frozen` takes every call and answers none. What is not in `answers` is answered with an error.
    """

    def __init__(self, names: Sequence[str] = (), answers: Answers | None = None, frozen: bool = False) -> None:
        self._names = names
        self._answers = answers or {}
        self._frozen = frozen
        self.calls: list[Message] = []
        self.numbers = 0  # given to notifications so far
        self.others: list[str] = []  # unique names of every connection that was there at the start

    @property
    def shown(self) -> list[tuple[Any, ...]]:
        """The arguments of every Notify so far."""
        return [call.body for call in self.calls if call.header.fields[HeaderFields.member] == "Notify"]

    @property
    def asker(self) -> str:
        """Unique name of who called last."""
        return str(self.calls[-1].header.fields[HeaderFields.sender])

    async def __aenter__(self) -> Self:
        self._connection = await open_dbus_connection(os.environ["DBUS_SESSION_BUS_ADDRESS"])
        async with DBusRouter(self._connection) as router:
            for name in self._names:
                reply = await router.send_and_get_reply(message_bus.RequestName(name, 4))  # 4: or not at all
                assert reply.body == (1,), f"{name} is taken"
            (names,) = (await router.send_and_get_reply(message_bus.ListNames())).body
            self.others = [name for name in names if name.startswith(":")]
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError, EOFError):  # EOFError: the bus ended first
            await self._task
        with suppress(OSError):
            await self._connection.close()

    async def _serve(self) -> None:
        while True:
            message = await self._connection.receive()
            if message.header.message_type == MessageType.method_call:
                self.calls.append(message)
                if not self._frozen:
                    await self._connection.send(self._answer(message))

    def _answer(self, call: Message) -> Message:
        asked = (call.header.fields.get(HeaderFields.interface), call.header.fields[HeaderFields.member])
        if asked == (SERVER, "Notify") and asked not in self._answers:
            self.numbers += not call.body[1]
            return new_method_return(call, "u", (call.body[1] or self.numbers,))
        hashable = tuple(part for part in call.body if isinstance(part, str | int))
        answer = self._answers.get((*asked, *hashable)) or self._answers.get(asked)
        if answer is None:
            return new_error(call, "org.freedesktop.DBus.Error.UnknownMethod")
        return new_method_return(call, *answer)

    async def emit(self, member: str, signature: str, body: tuple[object, ...], to: str | None = None) -> None:
        """Send a signal of a notification server, to everybody or to one connection."""
        signal = new_signal(DBusAddress(PATH, interface=SERVER), member, signature, body)
        if to is not None:
            signal.header.fields[HeaderFields.destination] = to
        await self._connection.send(signal)
