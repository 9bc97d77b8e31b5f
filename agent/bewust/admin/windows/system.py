"""What the steps ask of Windows itself, and the machine that this process runs on.

Belongs here: one call each, without a decision. Not here: when and why (machine), the registry (registry).
Sources: Microsoft's documentation of SetNamedSecurityInfo, SetFileSecurity and QueryFullProcessImageName.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class System(Protocol):
    """This machine, or one that a test plays. Every method raises OSError."""

    def is_administrator(self) -> bool:
        """Whether this process may change the machine."""

    def owner(self, path: Path) -> str:
        """Return the security identifier of who owns a file or folder."""

    def me(self) -> str:
        """Return the security identifier of who runs this process."""

    def protect(self, folder: Path, access: str) -> None:
        """Give a folder to the administrators, with an access list (SDDL) that replaces whatever it inherited."""

    def access(self, folder: Path) -> str:
        """Return the access list of a folder as SDDL."""

    def trusted(self, sha1: str) -> bool:
        """Whether the machine's store trusts a root; the SHA-1 in hex names it."""

    def trust(self, der: bytes) -> None:
        """Have the machine's store trust a root; harmless where it does."""

    def distrust(self, sha1: str) -> bytes | None:
        """Have it forget a root; return that as DER, None where it was not there."""

    def command(self) -> str | None:
        """Return the command line of our service; None where there is no such service."""

    def install(self, command: str, account: str) -> None:
        """Make our service, or change it: started with the machine, and again whenever it ends by itself."""

    def remove(self) -> None:
        """Remove our service."""

    def state(self) -> int:
        """Return the state of our service, as windows_service numbers them; stopped where there is none."""

    def start(self, arguments: Sequence[str]) -> None:
        """Have our service started; it may take a while until it runs."""

    def stop(self) -> None:
        """Ask our service to end; harmless where it does not run."""

    def end(self, program: Path) -> None:
        """End every process of a program."""


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    from bewust.admin.windows.calls import (  # fmt: skip
        ADVAPI32,
        BOOL,
        HANDLE,
        KERNEL32,
        NUMBER,
        POINTER,
        PSAPI,
        TEXT,
        checked,
        code,
        declare,
    )
    from bewust.admin.windows.roots import Roots
    from bewust.admin.windows.services import Services

    _OWNER, _DACL, _PROTECTED, _FILE = 0x1, 0x4, 0x80000000, 1
    declare((
        (ADVAPI32.ConvertStringSecurityDescriptorToSecurityDescriptorW, BOOL,
         [TEXT, NUMBER, POINTER, POINTER]),
        (ADVAPI32.ConvertSecurityDescriptorToStringSecurityDescriptorW, BOOL,
         [POINTER, NUMBER, NUMBER, POINTER, POINTER]),
        (ADVAPI32.GetSecurityDescriptorDacl, BOOL, [POINTER, POINTER, POINTER, POINTER]),
        (ADVAPI32.GetSecurityDescriptorOwner, BOOL, [POINTER, POINTER, POINTER]),
        (ADVAPI32.SetFileSecurityW, BOOL, [TEXT, NUMBER, POINTER]),
        (ADVAPI32.SetNamedSecurityInfoW, NUMBER, [TEXT, ctypes.c_int, NUMBER, *[POINTER] * 4]),
        (ADVAPI32.GetNamedSecurityInfoW, NUMBER, [TEXT, ctypes.c_int, NUMBER, *[POINTER] * 5]),
        (ADVAPI32.ConvertSidToStringSidW, BOOL, [POINTER, POINTER]),
        (ADVAPI32.OpenProcessToken, BOOL, [HANDLE, NUMBER, POINTER]),
        (ADVAPI32.GetTokenInformation, BOOL, [HANDLE, ctypes.c_int, POINTER, NUMBER, POINTER]),
        (KERNEL32.GetCurrentProcess, HANDLE, []),
        (KERNEL32.OpenProcess, HANDLE, [NUMBER, BOOL, NUMBER]),
        (KERNEL32.CloseHandle, BOOL, [HANDLE]),
        (KERNEL32.TerminateProcess, BOOL, [HANDLE, wintypes.UINT]),
        (KERNEL32.QueryFullProcessImageNameW, BOOL, [HANDLE, NUMBER, wintypes.LPWSTR, POINTER]),
        (KERNEL32.LocalFree, POINTER, [POINTER]),
        (PSAPI.EnumProcesses, BOOL, [POINTER, NUMBER, POINTER]),
    ))  # fmt: skip

    def _text(sid: object) -> str:
        text = wintypes.LPWSTR()
        checked(ADVAPI32.ConvertSidToStringSidW(sid, ctypes.byref(text)))
        found = text.value or ""
        KERNEL32.LocalFree(text)
        return found

    class Real(Roots, Services):
        """This machine."""

        def is_administrator(self) -> bool:
            return bool(ctypes.windll.shell32.IsUserAnAdmin())

        def owner(self, path: Path) -> str:
            sid, descriptor = POINTER(), POINTER()
            code(ADVAPI32.GetNamedSecurityInfoW(
                str(path), _FILE, _OWNER, ctypes.byref(sid), None, None, None, ctypes.byref(descriptor)
            ))  # fmt: skip
            try:
                return _text(sid)
            finally:
                KERNEL32.LocalFree(descriptor)

        def me(self) -> str:
            token, size = HANDLE(), NUMBER(0)
            checked(ADVAPI32.OpenProcessToken(KERNEL32.GetCurrentProcess(), 0x8, ctypes.byref(token)))
            room = ctypes.create_string_buffer(256)
            try:
                checked(ADVAPI32.GetTokenInformation(token, 1, room, len(room), ctypes.byref(size)))
                return _text(ctypes.cast(room, ctypes.POINTER(POINTER))[0])
            finally:
                KERNEL32.CloseHandle(token)

        def protect(self, folder: Path, access: str) -> None:
            descriptor, acl, owner = POINTER(), POINTER(), POINTER()
            flags, defaulted = BOOL(), BOOL()
            checked(ADVAPI32.ConvertStringSecurityDescriptorToSecurityDescriptorW(
                f"O:BA{access}", 1, ctypes.byref(descriptor), None
            ))  # fmt: skip
            try:
                checked(ADVAPI32.GetSecurityDescriptorDacl(
                    descriptor, ctypes.byref(flags), ctypes.byref(acl), ctypes.byref(defaulted)
                ))  # fmt: skip
                checked(ADVAPI32.GetSecurityDescriptorOwner(descriptor, ctypes.byref(owner), ctypes.byref(defaulted)))
                what = _OWNER | _DACL | _PROTECTED
                # The first also gives it to what lies in the folder; the second alone Wine does as it is told.
                code(ADVAPI32.SetNamedSecurityInfoW(str(folder), _FILE, what, owner, None, acl, None))
                checked(ADVAPI32.SetFileSecurityW(str(folder), what, descriptor))
            finally:
                KERNEL32.LocalFree(descriptor)

        def access(self, folder: Path) -> str:
            descriptor, text = POINTER(), wintypes.LPWSTR()
            code(ADVAPI32.GetNamedSecurityInfoW(
                str(folder), _FILE, _DACL, None, None, None, None, ctypes.byref(descriptor)
            ))  # fmt: skip
            try:
                checked(ADVAPI32.ConvertSecurityDescriptorToStringSecurityDescriptorW(
                    descriptor, 1, _DACL, ctypes.byref(text), None
                ))  # fmt: skip
                return text.value or ""
            finally:
                KERNEL32.LocalFree(text)
                KERNEL32.LocalFree(descriptor)

        def end(self, program: Path) -> None:
            listed, size = (NUMBER * 16384)(), NUMBER(0)
            checked(PSAPI.EnumProcesses(listed, ctypes.sizeof(listed), ctypes.byref(size)))
            for number in listed[: size.value // 4]:
                process = KERNEL32.OpenProcess(0x1000 | 0x1, False, number)  # query limited, terminate
                if process:
                    name, length = ctypes.create_unicode_buffer(1024), NUMBER(1024)
                    found = KERNEL32.QueryFullProcessImageNameW(process, 0, name, ctypes.byref(length))
                    if found and name.value.lower() == str(program).lower():
                        KERNEL32.TerminateProcess(process, 0)
                    KERNEL32.CloseHandle(process)
