"""Sessions' way to the service on Windows: a named pipe, whose name a file tells that only the service may write.

The system says who is at either end: of a client its user and logon session, of the server the process, which must
be our service's. Nobody from another machine gets in, and nobody can lend our pipe's name a server of their own.
Belongs here: opening both ends. Not here: what is said (client, server). Sources: "Named Pipe Security and Access
Rights", GetNamedPipeClientSessionId and ImpersonateNamedPipeClient in Microsoft's documentation. asyncio has pipes on
its Proactor loop, but no public way to give one an access list, hence two private calls.
"""

import hashlib
import struct
import sys

# What a client may do: read, write, wait; not FILE_APPEND_DATA, which for a pipe is being a server of that name.
CLIENT = 0x12019B


def account(service: str) -> str:
    """Return the security identifier of the account that Windows gives a service, `NT SERVICE\\service`.

    Source: [MS-DTYP] 2.4.2.4 and `sc showsid`: the SHA-1 of the name in capitals, as five numbers.
    """
    digest = hashlib.sha1(service.upper().encode("utf-16-le"), usedforsecurity=False).digest()
    return "-".join(["S-1-5-80", *map(str, struct.unpack("<5I", digest))])


if sys.platform == "win32":
    import asyncio
    import contextlib
    import ctypes
    import os
    import secrets
    from asyncio.windows_utils import PipeHandle
    from collections.abc import Callable
    from ctypes import wintypes
    from functools import partial
    from pathlib import Path
    from typing import TYPE_CHECKING

    from bewust import files
    from bewust.system import windows_service, windows_socket_owner

    if TYPE_CHECKING:
        from bewust.sessions.guests import ConnectionHandler

    ACCESS = f"D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;{account(windows_service.NAME)})(A;;0x{CLIENT:x};;;AU)"
    _DUPLEX, _OVERLAPPED, _FIRST, _REJECT_REMOTE = 0x3, 0x40000000, 0x80000, 0x8
    _BUFFER, _MOST, _OPEN_EXISTING, _INVALID = 4096, 255, 3, ctypes.c_void_p(-1).value
    FIRST_SECONDS = 5.0  # for a session to say its first word
    _IDENTIFY_ONLY = 0x100000 | 0x10000  # SECURITY_SQOS_PRESENT: a server may know a client, not act as one

    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
    _kernel32.GetCurrentThread.restype = wintypes.HANDLE
    _kernel32.CreateNamedPipeW.restype = _kernel32.CreateFileW.restype = wintypes.HANDLE
    _kernel32.CreateNamedPipeW.argtypes = [wintypes.LPCWSTR, *[wintypes.DWORD] * 6, wintypes.LPVOID]
    _kernel32.CreateFileW.argtypes = [
        wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, wintypes.LPVOID, wintypes.DWORD, wintypes.DWORD,
        wintypes.HANDLE,
    ]  # fmt: skip

    class _Attributes(ctypes.Structure):
        _fields_ = [("length", wintypes.DWORD), ("descriptor", wintypes.LPVOID), ("inherit", wintypes.BOOL)]

    class Listening:
        """The service's end: one instance of the pipe for each session, and one that waits for the next."""

        def __init__(self, path: Path, guests: "ConnectionHandler", limit: int) -> None:
            self._path, self._guests, self._limit = path, guests, limit
            self._name = rf"\\.\pipe\bewust-{secrets.token_hex(16)}"  # nobody can have taken it before
            self._working: set[asyncio.Task[None]] = set()
            descriptor = wintypes.LPVOID()
            if not _advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW(
                ACCESS, 1, ctypes.byref(descriptor), None
            ):
                raise ctypes.WinError(ctypes.get_last_error())
            self._attributes = _Attributes(ctypes.sizeof(_Attributes), descriptor, False)
            self._next = self._made(_FIRST)
            files.replace(path, self._name.encode("ascii"))
            self._accepting = asyncio.get_running_loop().create_task(self._accept())

        def _made(self, first: int = 0) -> PipeHandle:
            handle = _kernel32.CreateNamedPipeW(
                self._name, _DUPLEX | _OVERLAPPED | first, _REJECT_REMOTE, _MOST, _BUFFER, _BUFFER, 0,
                ctypes.byref(self._attributes),
            )  # fmt: skip
            if handle == _INVALID:
                raise ctypes.WinError(ctypes.get_last_error())
            return PipeHandle(handle)

        async def _accept(self) -> None:
            loop = asyncio.get_running_loop()
            while True:
                try:
                    await loop._proactor.accept_pipe(self._next)
                    met, self._next = self._next, self._made()
                except OSError:  # who came has gone again, or all instances are taken
                    await asyncio.sleep(1)
                    self._next.close()
                    self._next = self._made()
                    continue
                number = _asked(_kernel32.GetNamedPipeClientSessionId, met)
                if number is None or not self._guests.connected(number):
                    met.close()
                    continue
                task = loop.create_task(self._serve(number, met))
                self._working.add(task)
                task.add_done_callback(partial(self._ended, number, met))

        async def _serve(self, number: int, met: PipeHandle) -> None:
            # Who a client is may be asked once something was read of it.
            first, who = b"", None
            with contextlib.suppress(OSError):  # a time-out is one
                async with asyncio.timeout(FIRST_SECONDS):
                    first = await asyncio.get_running_loop()._proactor.recv(met, self._limit)
                who = _person(number, met) if first else None
            if who is None:
                return
            reader, writer = _streams(met, self._limit)
            reader.feed_data(first)
            try:
                await self._guests.serve(who, reader, writer)
            finally:
                writer.transport.abort()

        def _ended(self, number: int, met: PipeHandle, task: asyncio.Task[None]) -> None:
            self._working.discard(task)
            self._guests.disconnected(number)
            met.close()

        async def close(self) -> None:
            """Take no more, and end those who are there."""
            self._accepting.cancel()
            self._next.close()
            with contextlib.suppress(OSError):
                self._path.unlink()
            for task in self._working:
                task.cancel()
            await asyncio.gather(*self._working, return_exceptions=True)

    def _person(number: int, met: PipeHandle) -> int | None:
        """Return who is at the other end of a pipe, and note whose session that is; None where it does not say.

        A client of ours lets us know its user and no more (_IDENTIFY_ONLY).
        """
        if not _advapi32.ImpersonateNamedPipeClient(wintypes.HANDLE(met.handle)):
            return None
        token = wintypes.HANDLE()
        try:
            opened = _advapi32.OpenThreadToken(
                wintypes.HANDLE(_kernel32.GetCurrentThread()),
                windows_socket_owner.TOKEN_QUERY,
                True,
                ctypes.byref(token),
            )
        finally:
            if not _advapi32.RevertToSelf():
                os._exit(1)  # as somebody else nothing may go on
        if not opened:
            return None
        try:
            return windows_socket_owner.note(number, token.value or 0)
        finally:
            _kernel32.CloseHandle(token)

    def _streams(pipe: PipeHandle, limit: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=limit)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport = loop._make_duplex_pipe_transport(pipe, protocol)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def connect(path: Path, limit: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return the session's end. Raises OSError, also where another process than the service is the other one."""
        pipe = await asyncio.to_thread(_opened, path)
        asyncio.get_running_loop()._proactor._register_with_iocp(pipe)
        return _streams(pipe, limit)

    def _opened(path: Path) -> PipeHandle:
        name = path.read_text("ascii")
        handle = _kernel32.CreateFileW(name, CLIENT, 0, None, _OPEN_EXISTING, _OVERLAPPED | _IDENTIFY_ONLY, None)
        if handle == _INVALID:
            raise ctypes.WinError(ctypes.get_last_error())
        pipe = PipeHandle(handle)
        serves = _asked(_kernel32.GetNamedPipeServerProcessId, pipe)
        if serves is None or serves != windows_service.process():
            pipe.close()
            raise PermissionError(0, "another process than the service listens there")
        return pipe

    def _asked(question: Callable[..., int], pipe: PipeHandle) -> int | None:
        answer = wintypes.ULONG(0)
        return answer.value if question(wintypes.HANDLE(pipe.handle), ctypes.byref(answer)) else None
