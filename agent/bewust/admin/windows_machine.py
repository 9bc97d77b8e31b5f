"""The machine that this process runs on: access lists and processes, its roots and its service.

Sources: Microsoft's documentation of SetNamedSecurityInfo, SetFileSecurity and QueryFullProcessImageName.
"""

import sys
from pathlib import Path

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    from bewust.admin.windows_calls import (
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
    )  # fmt: skip
    from bewust.admin.windows_roots import Roots
    from bewust.admin.windows_services import Services

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
        """This machine (windows_system.System)."""

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
