"""The proxies that stand beside us: mitmproxy as it comes, with a plain addon, and squid."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import trustme

from benchmarks.rig import HERE, LOOPBACK, Proxy, World, end

CERTGEN = "/usr/lib/squid/security_file_certgen"
# No disk, no cache, no log: nothing but passing on.
SQUID = """\
pid_filename none
cache deny all
access_log none
cache_log {folder}/cache.log
logfile_rotate 0
coredump_dir {folder}
mime_table /usr/share/squid/mime.conf
hosts_file {folder}/hosts
pinger_enable off
shutdown_lifetime 0 seconds
max_filedescriptors 8192
http_access allow all
http_upgrade_request_protocols websocket allow all
http_port {port} ssl-bump cert={folder}/ca.pem generate-host-certificates=on dynamic_cert_mem_cache_size=4MB
sslcrtd_program {certgen} -s {folder}/certificates -M 4MB
tls_outgoing_options cafile={trust}
acl hello at_step SslBump1
ssl_bump peek hello
ssl_bump {what} all
"""


@contextmanager
def mitmdump(world: World, name: str = "mitmdump", options: Sequence[str] = ()) -> Iterator[Proxy]:
    """Run the pinned mitmproxy: as it comes, quiet, with the same roots as we have."""
    folder, port = _folder(world, name), free_port()
    command = [Path(sys.executable).with_name("mitmdump"), "-q", f"--listen-host={LOOPBACK}", f"--listen-port={port}"]
    command += [f"--set=confdir={folder}", f"--set=ssl_verify_upstream_trusted_ca={world.root_pem}", *options]
    with _running([str(part) for part in command], port) as pid:
        yield Proxy(name, folder / "mitmproxy-ca-cert.pem", port, pid)


@contextmanager
def with_addon(world: World) -> Iterator[Proxy]:
    """The same with a straightforward addon."""
    with mitmdump(world, "mitmdump + addon", ["-s", str(HERE / "naive.py")]) as proxy:
        yield proxy


@contextmanager
def squid(world: World, name: str) -> Iterator[Proxy]:
    """Run squid in the foreground, "squid splice" or "squid bump"; as an account of its own where we are root."""
    folder, port = _folder(world, name), free_port()
    ca = trustme.CA()
    ca.private_key_pem.write_to_path(folder / "ca.pem")
    ca.cert_pem.write_to_path(folder / "ca.pem", append=True)
    ca.cert_pem.write_to_path(folder / "root.pem")
    subprocess.run([CERTGEN, "-c", "-s", folder / "certificates", "-M", "4MB"], check=True, capture_output=True)
    (folder / "hosts").write_text("".join(f"{LOOPBACK} {host}\n" for host in world.resolver))
    text = SQUID.format(folder=folder, port=port, certgen=CERTGEN, trust=world.root_pem, what=name.split()[1])
    (folder / "squid.conf").write_text(text)
    if os.geteuid() == 0:
        for path in [folder, *folder.rglob("*")]:
            shutil.chown(path, "proxy", "proxy")
    program = shutil.which("squid") or "/usr/sbin/squid"
    with _running([program, "-N", "-f", str(folder / "squid.conf")], port) as pid:
        yield Proxy(name, folder / "root.pem", port, pid)


def squid_there() -> bool:
    """Whether squid is installed, and one that can inspect TLS."""
    return Path(CERTGEN).exists() and (shutil.which("squid") is not None or Path("/usr/sbin/squid").exists())


def _folder(world: World, name: str) -> Path:
    folder = world.folder / name.replace(" ", "-")
    folder.mkdir()
    return folder


@contextmanager
def _running(command: list[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield process.pid
    finally:
        end(process)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server((LOOPBACK, 0)) as one:
        return int(one.getsockname()[1])


def wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a process listens. AssertionError where it ends before it does."""
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port)):
            return
        assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
        time.sleep(0.05)
    raise AssertionError(f"{process.args!r} does not listen")
