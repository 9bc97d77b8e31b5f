"""Fuzz targets: what is read from files that others made. Each may refuse, in its own words, and nothing else."""

import io
import random
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import ClassVar

import msgspec
from mitmproxy.exceptions import FlowReadException
from mitmproxy.io import FlowWriter
from mitmproxy.test import tflow, tutils

from bewust.catalogue import loading, signed_file
from bewust.catalogue.entries import CatalogueError
from bewust.catalogue.matching import compile_services
from bewust.catalogue.signed_file import BundleError
from bewust.cli.inspect import RecordingInspector
from bewust.config import policy
from bewust.config.policy import PolicyError
from bewust.detection import recordings
from bewust.detection.recordings import RecordingError
from bewust.keys import key_text
from bewust.model import Depth
from bewust.statistics import formats, randomise
from bewust.statistics.formats import ReportError
from bewust_addons.flowfile import exchanges
from fuzz.target import Target
from support.bundles import PRIVATE, signed

CONFIG = files("bewust_config")


class Catalogue(Target):
    """Services in TOML, compiled to rules."""

    def seeds(self) -> Iterator[bytes]:
        for name in ("google.toml", "openai.toml", "any.toml", "deepl.toml"):
            yield CONFIG.joinpath("services", name).read_bytes()[:1500]

    def test(self, data: bytes) -> None:
        try:
            services = loading.parse(data.decode("utf-8", "replace"), "fuzzed.toml")
        except CatalogueError as refusal:
            one_line(refusal)
        else:
            compile_services(services, lambda service: Depth.RESPONSE).find("www.google.com")


class Policy(Target):
    """The organisation's decisions in TOML, from a file."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="fuzz-")
        self._file = Path(self._folder.name) / "policy.toml"

    def seeds(self) -> Iterator[bytes]:
        yield from (p.read_bytes()[:1500] for p in CONFIG.joinpath("policies").iterdir() if p.name.endswith(".toml"))
        yield b'countries = ["nl"]\n[release.epsilon]\nany = "1/2"\n[[release.keepers]]\nname = "a"\nkey = "b"\n'

    def test(self, data: bytes) -> None:
        self._file.write_bytes(data)
        try:
            decided = policy.load(self._file)
        except PolicyError as refusal:
            one_line(refusal)
        else:
            assert decided.zone and decided.flush.total_seconds() >= 60 and decided.yearly_epsilon > 0


class Har(Target):
    """A recording of a browser, looked at with the whole catalogue."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="fuzz-")
        self._file = Path(self._folder.name) / "recording.har"
        self._bench = RecordingInspector.load(None, None)

    def seeds(self) -> Iterator[bytes]:
        entry = {
            "request": {"method": "POST", "url": "https://www.google.nl/search?q=a", "headers": [
                {"name": "Origin", "value": "https://www.google.nl"}], "postData": {"text": '{"model":"x"}'}},
            "response": {"status": 200, "content": {"mimeType": "text/html", "text": "PHA+", "encoding": "base64"}},
            "_webSocketMessages": [{"type": "send", "data": "{}"}],
        }  # fmt: skip
        yield msgspec.json.encode({"log": {"entries": [entry]}})
        yield b'{"log":{"entries":[{"request":{"method":"GET","url":"https://\\ud83dx/","headers":null}}]}}'
        yield b"\x1f\x8b\x08\x00" + bytes(20)

    def test(self, data: bytes) -> None:
        if data[:1].isdigit():
            return  # a flow file: the next target
        self._file.write_bytes(data)
        try:
            for exchange in recordings.read(self._file):
                self._bench.examine(exchange)
        except RecordingError as refusal:
            one_line(refusal)


class Flows(Target):
    """mitmproxy's flow files, as the process that reads them does; and its lines, as the one that asks does."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="fuzz-")
        self._file = Path(self._folder.name) / "recording.flows"

    def seeds(self) -> Iterator[bytes]:
        for flow in (tflow.tflow(resp=tutils.tresp()), tflow.twebsocketflow(), tflow.ttcpflow()):
            made = io.BytesIO()
            FlowWriter(made).add(flow)
            yield made.getvalue()

    def test(self, data: bytes) -> None:
        self._file.write_bytes(data)
        try:
            for exchange in exchanges(self._file):
                recordings.decoded(msgspec.json.encode(exchange), str(self._file))
        except (FlowReadException, RecordingError):
            pass


class Releases(Target):
    """Reports, sums and opened batches, from other machines."""

    MORE: ClassVar[Sequence[bytes]] = (
        b'{"schema":"bewust-sum/1","keeper":"' + b"a" * 16 + b'","name":"k","period":"2026-P12","domain":"x",'
        b'"services":[],"blocks":{},"reports":1,"manifest":"' + b"0" * 64 + b'","sum":[]}',
        b'{"schema":"bewust-opened/1","period":"2026-P12","mechanism":"split","domain":"x","services":[],'
        b'"reports":1,"manifest":"' + b"0" * 64 + b'","blocks":{"any":{"epsilon":"1/2","estimates":[1],"sd":1.5}}}',
    )

    def seeds(self) -> Iterator[bytes]:
        die = random.Random(1).randrange
        yield formats.encode(randomise.randomise_period({}, "2026-P12", ["chatgpt"], policy.load(), die)).encode()
        yield from self.MORE

    def test(self, data: bytes) -> None:
        for read in (formats.decode, formats.decode_sum, formats.decode_opened):
            try:
                found = read(data)
            except ReportError as refusal:
                one_line(refusal)
            else:
                formats.encode(found)


class Bundles(Target):
    """Catalogues in a signed file: what a stranger signed, and what our own key did."""

    def seeds(self) -> Iterator[bytes]:
        yield signed({"a.toml": "x = 1"})
        yield msgspec.json.encode(signed_file.Bundle("bewust-catalogue/1", "1", "2026-12-01T10:00:00Z", {"a.toml": ""}))

    def test(self, data: bytes) -> None:
        keys = [key_text(PRIVATE.public_key())]
        whole = signed_file.MAGIC + PRIVATE.sign(signed_file.MAGIC + data) + data
        for made in (data, whole):
            try:
                found, _ = signed_file.verify_and_decode(made, keys, "fuzzed")
            except BundleError as refusal:
                one_line(refusal)
            else:
                for name, text in found.services.items():
                    assert PurePath(name).name == name, "a name that leaves its folder"
                    parsed(text, name)


def parsed(text: str, name: str) -> None:
    try:
        loading.parse(text, name)
    except CatalogueError as refusal:
        one_line(refusal)


def one_line(refusal: Exception) -> None:
    """A refusal is for people: it says something, and is no dump."""
    assert 0 < len(str(refusal)) < 20_000, f"{type(refusal).__name__} of {len(str(refusal))} characters"


TARGETS: dict[str, type[Target]] = {
    "catalogue": Catalogue, "policy": Policy, "har": Har, "flows": Flows, "releases": Releases, "bundles": Bundles,
}  # fmt: skip
