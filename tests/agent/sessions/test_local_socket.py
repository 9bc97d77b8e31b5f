"""Whom a session believes: the service, and nobody who could put something in its place."""

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from bewust.sessions import local_socket
from bewust.sessions.local_socket import UntrustedPeerError, check_service
from support.other_accounts import ANNE, BERT, needs_root, play

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="tests/packages tries Windows' own")


def test_a_socket_in_a_folder_that_others_may_write_to_is_not_believed(tmp_path: Path) -> None:
    one, other = socket.socketpair()
    with one, other:
        tmp_path.chmod(0o755)
        check_service(one, tmp_path / "s.sock")
        tmp_path.chmod(0o777)
        with pytest.raises(UntrustedPeerError, match="0755"):
            check_service(one, tmp_path / "s.sock")
        tmp_path.chmod(0o775)
        with pytest.raises(UntrustedPeerError):
            check_service(one, tmp_path / "s.sock")


@needs_root
def test_a_socket_of_another_account_than_its_folder_is_not_believed(tmp_path: Path) -> None:
    """Somebody who could put a socket into the service's own folder would still not be the service."""
    tmp_path.chmod(0o755)
    (folder := tmp_path / "run").mkdir()
    os.chown(folder, BERT, BERT)
    one, other = socket.socketpair()
    with one, other:
        check_service(one, folder / "s.sock")  # root may be anybody
    for parent in (tmp_path, *list(tmp_path.parents)[:3]):
        parent.chmod(0o755)
    (theirs := tmp_path / "anne").mkdir()
    os.chown(theirs, ANNE, ANNE)
    script = (
        "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print('up', flush=True); sys.stdin.read()"
    )
    with play(ANNE, script, theirs / "s.sock") as anne:
        assert anne.stdout is not None and anne.stdout.readline() == "up\n"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(theirs / "s.sock"))
            check_service(client, theirs / "s.sock")  # it is her folder
            with pytest.raises(UntrustedPeerError, match="another account"):
                check_service(client, folder / "s.sock")
        anne.communicate()


def test_where_the_queue_is_full_it_knocks_until_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "s.sock"

    async def main(listener: socket.socket, first: socket.socket) -> None:
        first.connect(str(path))  # the one place that there is
        knocking = asyncio.create_task(local_socket.connect(path, 1000))
        await asyncio.sleep(0.1)
        assert not knocking.done()
        listener.accept()[0].close()
        _, writer = await asyncio.wait_for(knocking, 10)
        monkeypatch.setattr(local_socket, "BACKLOG_SECONDS", 0.1)
        with pytest.raises(TimeoutError, match="no room"):
            await local_socket.connect(path, 1000)
        writer.transport.abort()
        await asyncio.sleep(0)

    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(str(path))
        listener.listen(0)
        asyncio.run(main(listener, first))
