"""The machine's own store of roots, by crypt32. Source: Microsoft's documentation of the Cert functions."""

import sys

if sys.platform == "win32":
    import contextlib
    import ctypes
    from collections.abc import Iterator

    from bewust.admin.windows.calls import BOOL, CRYPT32, HANDLE, NUMBER, POINTER, TEXT, checked, declare

    _SYSTEM_STORE, _LOCAL_MACHINE, _X509, _REPLACE, _BY_SHA1 = 10, 0x20000, 1, 3, 0x10000
    declare((
        (CRYPT32.CertOpenStore, HANDLE, [POINTER, NUMBER, POINTER, NUMBER, TEXT]),
        (CRYPT32.CertCloseStore, BOOL, [HANDLE, NUMBER]),
        (CRYPT32.CertAddEncodedCertificateToStore, BOOL,
         [HANDLE, NUMBER, ctypes.c_char_p, NUMBER, NUMBER, POINTER]),
        (CRYPT32.CertFindCertificateInStore, POINTER, [HANDLE, NUMBER, NUMBER, NUMBER, POINTER, POINTER]),
        (CRYPT32.CertDeleteCertificateFromStore, BOOL, [POINTER]),
        (CRYPT32.CertFreeCertificateContext, BOOL, [POINTER]),
    ))  # fmt: skip

    class _Blob(ctypes.Structure):
        _fields_ = [("size", NUMBER), ("data", ctypes.c_char_p)]

    class _Certificate(ctypes.Structure):
        _fields_ = [("encoding", NUMBER), ("data", ctypes.POINTER(ctypes.c_ubyte)), ("size", NUMBER)]

    @contextlib.contextmanager
    def _roots() -> Iterator[int]:
        store = CRYPT32.CertOpenStore(_SYSTEM_STORE, 0, None, _LOCAL_MACHINE, "ROOT")
        checked(store)
        try:
            yield store
        finally:
            CRYPT32.CertCloseStore(store, 0)

    def _found(store: int, sha1: str) -> int | None:
        blob = _Blob(20, bytes.fromhex(sha1))
        found: int | None = CRYPT32.CertFindCertificateInStore(store, _X509, 0, _BY_SHA1, ctypes.byref(blob), None)
        return found

    class Roots:
        """The store of the machine that this process runs on."""

        def trusted(self, sha1: str) -> bool:
            with _roots() as store:
                found = _found(store, sha1)
                if found:
                    CRYPT32.CertFreeCertificateContext(found)
                return bool(found)

        def trust(self, der: bytes) -> None:
            with _roots() as store:
                checked(CRYPT32.CertAddEncodedCertificateToStore(store, _X509, der, len(der), _REPLACE, None))

        def distrust(self, sha1: str) -> bytes | None:
            with _roots() as store:
                found = _found(store, sha1)
                if not found:
                    return None
                about = ctypes.cast(found, ctypes.POINTER(_Certificate)).contents
                der = ctypes.string_at(about.data, about.size)
                checked(CRYPT32.CertDeleteCertificateFromStore(found))
                return der
