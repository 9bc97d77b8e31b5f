"""The authority's limits hold where it counts: in curl, Python, Chromium, Firefox and mitmproxy.

Each leaf is signed with the intermediate's own key, as somebody who stole it could, and is asked
for by a name that it does carry; so only the name constraints can be the reason of a refusal.
"""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from mitmproxy.certs import CertStore
from playwright.sync_api import Error as ChromiumError

from bewust.authority.authority import KEY_FILE, Authority, issue
from bewust.browsers.launch import trust
from e2e.chromium import EXECUTABLE, Chromium
from e2e.firefox import FIREFOX, Firefox, FirefoxError

DECRYPTED = ("www.google.com", "*.translate.goog", "live.com")
PAGE = "inside the walls"


@dataclass(frozen=True)
class Leaf:
    """A certificate for `names`, which a browser meets at `visited`."""

    visited: str
    names: tuple[str, ...]


ACCEPTED = {
    "inside": Leaf("www.google.com", ("www.google.com",)),
    "below": Leaf("nl-m-wikipedia-org.translate.goog", ("*.translate.goog",)),
}
REFUSED = {
    "outside": Leaf("mijn.overheid.nl", ("mijn.overheid.nl",)),
    "above": Leaf("google.com", ("google.com",)),
    "mixed": Leaf("www.google.com", ("www.google.com", "mijn.overheid.nl")),
    "address": Leaf("127.0.0.1", ("127.0.0.1",)),
    "wildcard": Leaf("www.google.com", ("*.google.com",)),
    "wildcard-tld": Leaf("www.google.com", ("www.google.com", "*.com")),
    "suffix": Leaf("notwww.google.com", ("notwww.google.com",)),
    "login": Leaf("login.live.com", ("login.live.com",)),
}
LEAVES = {**ACCEPTED, **REFUSED}
VISITED = sorted({leaf.visited for leaf in LEAVES.values()} - {"127.0.0.1"})

need = {
    name: pytest.mark.skipif(not shutil.which(path), reason=f"{name} is not installed")
    for name, path in {"curl": "curl", "chromium": EXECUTABLE, "firefox": FIREFOX}.items()
}
need_certutil = pytest.mark.skipif(not shutil.which("certutil"), reason="certutil is not installed")


@dataclass(frozen=True)
class Walls:
    """An authority, and the loopback port at which each of `LEAVES` is served with its chain."""

    authority: Authority
    ports: Mapping[str, int]

    def url(self, case: str) -> str:
        return f"https://{LEAVES[case].visited}:{self.ports[case]}/"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"<title>{PAGE}</title><p>{PAGE}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that refuses the certificate hangs up, which is what is tested."""


@contextmanager
def served(context: ssl.SSLContext) -> Iterator[int]:
    """An HTTPS server on loopback; gives its port."""
    server = Server(("127.0.0.1", 0), Handler)
    # The handshake belongs in the connection's thread: an idle client must not hold up the rest.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def minted(folder: Path, leaf: Leaf) -> bytes:
    """PEM of a fresh key, its certificate for `leaf`, and the authority's chain."""
    raw = (folder / KEY_FILE).read_bytes()
    signer = serialization.load_pem_private_key(raw, None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    chain = x509.load_pem_x509_certificates(raw)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(chain[0].subject, x509.Name([]), key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(map(alternative, leaf.names)), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    own = key.private_bytes(pem, form, serialization.NoEncryption())
    return own + b"".join(one.public_bytes(pem) for one in (certificate, *chain))


def alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@pytest.fixture(scope="module")
def walls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walls]:
    folder = tmp_path_factory.mktemp("walls")
    authority = issue(folder / "authority", DECRYPTED, datetime.now(UTC))
    ports = {}
    with ExitStack() as stack:
        for case, leaf in LEAVES.items():
            file = folder / f"{case}.pem"
            file.write_bytes(minted(authority.folder, leaf))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(file)
            ports[case] = stack.enter_context(served(context))
        yield Walls(authority, ports)


def curl(walls: Walls, case: str) -> subprocess.CompletedProcess[str]:
    leaf, port = LEAVES[case], walls.ports[case]
    return subprocess.run(
        ["curl", "--disable", "--silent", "--show-error", "--noproxy", "*"]
        + ["--resolve", f"{leaf.visited}:{port}:127.0.0.1"]
        + ["--cacert", str(walls.authority.root_pem), walls.url(case)],
        capture_output=True,
        text=True,
        timeout=20,
    )


@need["curl"]
@pytest.mark.parametrize("case", ACCEPTED)
def test_curl_accepts(walls: Walls, case: str) -> None:
    assert PAGE in curl(walls, case).stdout


@need["curl"]
@pytest.mark.parametrize("case", REFUSED)
def test_curl_refuses(walls: Walls, case: str) -> None:
    answer = curl(walls, case)
    assert answer.returncode == 60
    assert "subtree violation" in answer.stderr


def handshake(root: Path, name: str, port: int) -> None:
    context = ssl.create_default_context(cafile=root)
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # Python's default from 3.13 on
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    with plain, context.wrap_socket(plain, server_hostname=name):
        pass


@pytest.mark.parametrize("case", ACCEPTED)
def test_python_accepts_strictly(walls: Walls, case: str) -> None:
    handshake(walls.authority.root_pem, LEAVES[case].visited, walls.ports[case])


@pytest.mark.parametrize("case", REFUSED)
def test_python_refuses(walls: Walls, case: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="subtree violation"):
        handshake(walls.authority.root_pem, LEAVES[case].visited, walls.ports[case])


@pytest.fixture(scope="module")
def chromium(walls: Walls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    home = tmp_path_factory.mktemp("chromium")
    trust(home / ".pki" / "nssdb", walls.authority.root_pem)
    rules = [f"MAP {name} 127.0.0.1" for name in VISITED]
    rules += ["MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1"]
    with Chromium(home, resolver_rules=", ".join(rules)) as browser:
        yield browser


@need["chromium"]
@need_certutil
@pytest.mark.parametrize("case", ACCEPTED)
def test_chromium_accepts(walls: Walls, chromium: Chromium, case: str) -> None:
    assert chromium.goto(walls.url(case)) == 200
    assert chromium.text() == PAGE


@need["chromium"]
@need_certutil
@pytest.mark.parametrize("case", REFUSED)
def test_chromium_refuses(walls: Walls, chromium: Chromium, case: str) -> None:
    chromium.goto(walls.url("inside"))
    # Not a visit: before its warning page Chromium looks three seconds for a captive portal.
    with chromium.page.expect_event("requestfailed") as failed:
        chromium.evaluate("url => fetch(url, {mode: 'no-cors'}).catch(() => 0)", walls.url(case))
    assert failed.value.url == walls.url(case)
    assert failed.value.failure == "net::ERR_CERT_INVALID"


@need["chromium"]
@need_certutil
def test_chromium_shows_no_page_from_outside(walls: Walls, chromium: Chromium) -> None:
    with pytest.raises(ChromiumError, match="ERR_CERT_INVALID"):
        chromium.goto(walls.url("outside"))


@pytest.fixture(scope="module")
def firefox(walls: Walls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    profile = tmp_path_factory.mktemp("firefox")
    trust(profile, walls.authority.root_pem)
    with Firefox(profile) as browser:
        yield browser


@need["firefox"]
@need_certutil
@pytest.mark.parametrize("case", ACCEPTED)
def test_firefox_accepts(walls: Walls, firefox: Firefox, case: str) -> None:
    firefox.goto(walls.url(case))
    assert firefox.text() == firefox.title() == PAGE
    assert firefox.evaluate("await fetch('/').then(answer => answer.status)") == 200


@need["firefox"]
@need_certutil
@pytest.mark.parametrize("case", REFUSED)
def test_firefox_refuses(walls: Walls, firefox: Firefox, case: str) -> None:
    # Firefox does not get as far as the constraints with a certificate for `*.com`.
    reason = "BAD_DER" if case == "wildcard-tld" else "CERT_NOT_IN_NAME_SPACE"
    with pytest.raises(FirefoxError, match=f"SEC_ERROR_{reason}"):
        firefox.goto(walls.url(case))


@pytest.mark.parametrize(("name", "refused"), [("www.google.com", False), ("mijn.overheid.nl", True)])
def test_mitmproxy_mints_from_the_folder(walls: Walls, tmp_path: Path, name: str, refused: bool) -> None:
    # A copy, for mitmproxy adds a file of its own.
    folder = shutil.copytree(walls.authority.folder, tmp_path / "authority")
    store = CertStore.from_store(folder, "mitmproxy", 2048)
    entry = store.get_cert(name, [x509.DNSName(name)])
    chain = [one.to_pem() for one in entry.chain_certs]
    assert len(chain) == 2
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    key = entry.privatekey.private_bytes(pem, form, serialization.NoEncryption())
    file = tmp_path / "leaf.pem"
    file.write_bytes(key + entry.cert.to_pem() + b"".join(chain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with served(context) as port:
        if refused:
            with pytest.raises(ssl.SSLCertVerificationError, match="subtree violation"):
                handshake(walls.authority.root_pem, name, port)
        else:
            handshake(walls.authority.root_pem, name, port)
