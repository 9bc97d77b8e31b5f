"""Files that are replaced whole, never half, and locks on them; nobody can slip in a link or a file of their own.

What is written goes into a new file `<name>.new` first, which is made exclusively, through a descriptor of the
folder; owner, mode and times are set on its descriptor, never by path; then it takes the place of what is there, be
that a link. So a folder may be used that another account can write to: all it can do is keep this from working.
"""

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from bewust.errors import BewustError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_DIR_FD, _UTIME_FD = os.open in os.supports_dir_fd, os.utime in os.supports_fd  # neither on Windows


class FileError(BewustError):
    """A file cannot be read or written: names it, says why and what to do."""


def replace(
    path: Path,
    data: bytes,
    *,
    mode: int | None = 0o600,
    synced: bool = False,
    owner: tuple[int, int] | None = None,
    times: tuple[int, int] | None = None,
) -> None:
    """Put a file with `data` at `path`, whole or not at all; by default only this account can read it,
    with `mode` None whoever the umask lets.

    `synced` also when the power fails; `owner` is a user's and a group's id (nothing on Windows), `times` are of
    access and change in nanoseconds. Raises OSError.
    """
    name = f"{path.name}.new"
    with _folder(path.parent) as folder:
        fresh, target = (name, path.name) if folder is not None else (path.with_name(name), path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=folder)  # left by a crash
        file = os.open(fresh, _NEW, 0o666 if mode is None else 0o600, dir_fd=folder)
        try:
            try:
                _fill(file, data, mode, owner)
                if synced:
                    os.fsync(file)
                if times is not None and _UTIME_FD:
                    os.utime(file, ns=times)
            finally:
                os.close(file)
            if times is not None and not _UTIME_FD:
                os.utime(fresh, ns=times)
            os.replace(fresh, target, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(fresh, dir_fd=folder)
            raise
        if synced and folder is not None:
            os.fsync(folder)


def _fill(file: int, data: bytes, mode: int | None, owner: tuple[int, int] | None) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
    if sys.platform != "win32":
        if owner is not None:
            os.fchown(file, *owner)
        if mode is not None:
            os.fchmod(file, mode)  # after the owner, a change of which takes setuid away


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[int | None]:
    """Open a folder, so that nobody can put another in its place; None where the platform has no such thing."""
    if not _DIR_FD:
        yield None
        return
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


def contents(path: Path) -> bytes:
    """Return what a regular file holds. Raises OSError, also for a link, and for a pipe, which might never end."""
    with os.fdopen(os.open(path, _READ), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "is no regular file")
        return file.read()


def read(path: Path) -> bytes:
    """Return what a file of a person's own choice holds. Raises FileError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}). Check its name and its owner.") from error


def write(path: Path, data: bytes) -> None:
    """Put a file that only its owner reads in place, also when the power fails. Raises FileError."""
    try:
        replace(path, data, synced=True)
    except OSError as error:
        raise FileError(f"{path}: cannot be written ({error.strerror}). Make room, or check its owner.") from error


def save(path: Path, data: bytes) -> None:
    """Write a result, never over another one; the same bytes may be there. Raises FileError."""
    if not os.path.lexists(path):
        write(path, data)
    elif path.is_dir() or read(path) != data:
        raise FileError(f"{path}: is there already, and is something else. Keep it elsewhere, or use --out.")


@contextlib.contextmanager
def locked(path: Path, *, create: bool = False) -> Iterator[None]:
    """Hold a file, which `create` makes where it is not there; the system lets go when the process ends.

    Raises BlockingIOError where another process holds it, another OSError where it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) if create else os.O_RDONLY
    file = os.open(path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0), 0o600)
    try:
        try:
            if sys.platform == "win32":
                msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BlockingIOError(error.errno, "is held by another process") from error
        yield
    finally:
        os.close(file)
