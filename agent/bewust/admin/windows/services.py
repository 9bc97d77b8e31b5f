"""Our service, as the service control manager keeps it. Sources: Microsoft's CreateService and ChangeServiceConfig2."""

import sys

if sys.platform == "win32":
    import contextlib
    import ctypes
    from collections.abc import Iterator, Sequence

    from bewust.admin.windows.calls import ADVAPI32, BOOL, HANDLE, NUMBER, POINTER, TEXT, checked, declare
    from bewust.system.windows_service import NAME, STOPPED

    _ALL, _OWN_PROCESS, _AUTOMATIC, _NORMAL, _UNCHANGED = 0xF01FF, 0x10, 2, 1, 0xFFFFFFFF
    _READ_SERVICE, _ABSENT, _NOT_ACTIVE = 0x1 | 0x4, 1060, 1062
    _UNKNOWN_LEVEL = 124  # ERROR_INVALID_LEVEL: Wine knows neither of the last two
    DESCRIPTION = "Reminds people, at the right moment, to use generative AI conscientiously. It cannot watch them."
    declare((
        (ADVAPI32.OpenSCManagerW, HANDLE, [TEXT, TEXT, NUMBER]),
        (ADVAPI32.OpenServiceW, HANDLE, [HANDLE, TEXT, NUMBER]),
        (ADVAPI32.CloseServiceHandle, BOOL, [HANDLE]),
        (ADVAPI32.CreateServiceW, HANDLE, [HANDLE, TEXT, TEXT, *[NUMBER] * 4, TEXT, TEXT, POINTER, *[TEXT] * 3]),
        (ADVAPI32.ChangeServiceConfigW, BOOL,
         [HANDLE, *[NUMBER] * 3, TEXT, TEXT, POINTER, *[TEXT] * 4]),
        (ADVAPI32.ChangeServiceConfig2W, BOOL, [HANDLE, NUMBER, POINTER]),
        (ADVAPI32.QueryServiceConfigW, BOOL, [HANDLE, POINTER, NUMBER, POINTER]),
        (ADVAPI32.QueryServiceStatus, BOOL, [HANDLE, POINTER]),
        (ADVAPI32.StartServiceW, BOOL, [HANDLE, NUMBER, POINTER]),
        (ADVAPI32.ControlService, BOOL, [HANDLE, NUMBER, POINTER]),
        (ADVAPI32.DeleteService, BOOL, [HANDLE]),
    ))  # fmt: skip

    class _Act(ctypes.Structure):
        _fields_ = [("kind", ctypes.c_int), ("delay", NUMBER)]

    class _Failing(ctypes.Structure):
        _fields_ = [("reset", NUMBER), ("reboot", TEXT), ("command", TEXT), ("count", NUMBER),
                    ("acts", ctypes.POINTER(_Act))]  # fmt: skip

    class _Config(ctypes.Structure):
        _fields_ = [("type", NUMBER), ("start", NUMBER), ("error", NUMBER), ("command", TEXT)]

    @contextlib.contextmanager
    def _service(access: int) -> Iterator[int | None]:
        manager = ADVAPI32.OpenSCManagerW(None, None, 0x1 if access != _ALL else 0x3)
        checked(manager)
        service = ADVAPI32.OpenServiceW(manager, NAME, access)
        try:
            if not service and ctypes.get_last_error() != _ABSENT:
                raise ctypes.WinError(ctypes.get_last_error())
            yield service
        finally:
            if service:
                ADVAPI32.CloseServiceHandle(service)
            ADVAPI32.CloseServiceHandle(manager)

    class Services:
        """The service of the machine that this process runs on."""

        def command(self) -> str | None:
            with _service(_READ_SERVICE) as service:
                if not service:
                    return None
                room, size = ctypes.create_string_buffer(8192), NUMBER(0)
                checked(ADVAPI32.QueryServiceConfigW(service, room, len(room), ctypes.byref(size)))
                return str(ctypes.cast(room, ctypes.POINTER(_Config)).contents.command)

        def install(self, command: str, account: str) -> None:
            manager = ADVAPI32.OpenSCManagerW(None, None, 0x3)
            checked(manager)
            try:
                with _service(_ALL) as there:
                    if there:
                        checked(ADVAPI32.ChangeServiceConfigW(
                            there, _UNCHANGED, _AUTOMATIC, _UNCHANGED, command, None, None, None, account, None, NAME
                        ))  # fmt: skip
                        _settle(there)
                        return
                made = ADVAPI32.CreateServiceW(
                    manager, NAME, NAME, _ALL, _OWN_PROCESS, _AUTOMATIC, _NORMAL, command, None, None, None, account,
                    None,
                )  # fmt: skip
                checked(made)
                try:
                    _settle(made)
                finally:
                    ADVAPI32.CloseServiceHandle(made)
            finally:
                ADVAPI32.CloseServiceHandle(manager)

        def remove(self) -> None:
            with _service(_ALL) as service:
                if service:
                    checked(ADVAPI32.DeleteService(service))

        def state(self) -> int:
            with _service(_READ_SERVICE) as service:
                status = (NUMBER * 7)()
                if service:
                    checked(ADVAPI32.QueryServiceStatus(service, status))
                return int(status[1]) or STOPPED

        def start(self, arguments: Sequence[str]) -> None:
            with _service(_ALL) as service:
                listed = (TEXT * len(arguments))(*arguments)
                checked(ADVAPI32.StartServiceW(service, len(arguments), listed))

        def stop(self) -> None:
            with _service(_ALL) as service:
                status = (NUMBER * 7)()
                stopped = not service or ADVAPI32.ControlService(service, 1, status)
                checked(stopped or ctypes.get_last_error() == _NOT_ACTIVE)

    def _settle(service: int) -> None:
        """Say what it is for, start it again when it fails, and leave its account no privilege but the harmless one."""
        description = TEXT(DESCRIPTION)
        checked(ADVAPI32.ChangeServiceConfig2W(service, 1, ctypes.byref(description)))
        acts = (_Act * 3)(_Act(1, 1000), _Act(1, 5000), _Act(1, 60000))
        failing = _Failing(3600, None, None, 3, acts)
        also_by_code = BOOL(True)
        privileges = ctypes.create_unicode_buffer("SeChangeNotifyPrivilege\0")
        listed = ctypes.c_wchar_p(ctypes.addressof(privileges))
        for level, about in ((2, failing), (4, also_by_code), (6, listed)):
            set_so = ADVAPI32.ChangeServiceConfig2W(service, level, ctypes.byref(about))
            checked(set_so or ctypes.get_last_error() == _UNKNOWN_LEVEL)
