"""The steps for each browser, one by one; together they are tried in test_linux."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate

from bewust.admin.linux.browsers import ChromiumPolicies, FirefoxPolicies, encoded
from bewust.admin.record import Record
from bewust.admin.steps import Choices
from bewust.browsers import linux
from bewust.errors import AdminError
from support.linux_machine import machine, put, unconstrained


class Place:
    def __init__(self, root: Path) -> None:
        self.root, self.root_pem = root, root / "root.pem"
        self.root_pem.write_bytes(unconstrained())
        self.pac_url = "http://127.0.0.1:8787/proxy.pac"
        self.choices, self.record = Choices(), Record()

    def remember(self, back: ExitStack) -> None:
        pass


def way(name: str) -> linux.Installed:
    return next(one for one in linux.every() if one.name == name)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(machine(tmp_path))


def test_chromium_is_told_and_forgets(place: Place) -> None:
    step = ChromiumPolicies(place, way("Chromium"))
    assert step.done() is not None
    step.do(ExitStack())
    assert step.done() is None
    step.undo()
    step.undo()
    assert not (place.root / "etc/chromium").exists()


def test_a_certificate_is_written_as_chromium_reads_it(place: Place) -> None:
    import base64

    found = load_der_x509_certificate(base64.b64decode(encoded(place.root_pem.read_bytes())))
    assert found.public_bytes(Encoding.PEM) == place.root_pem.read_bytes()


def test_firefox_is_told_and_its_file_put_back_byte_for_byte(place: Place) -> None:
    file = place.root / "etc/firefox/policies/policies.json"
    put(file, {})
    file.write_text('{"policies":   {"x":1},\n\n "other": [2]}')
    step = FirefoxPolicies(place, way("Firefox"))
    step.do(ExitStack())
    assert step.done() is None and json.loads(file.read_text())["other"] == [2]
    step.do(ExitStack())
    step.undo()
    assert file.read_text() == '{"policies":   {"x":1},\n\n "other": [2]}'


def test_a_proxy_set_by_others_after_us_is_said_and_left(place: Place) -> None:
    file = place.root / "etc/firefox/policies/policies.json"
    step = FirefoxPolicies(place, way("Firefox"))
    step.do(ExitStack())
    put(file, {"policies": {"Proxy": {"Mode": "none"}}})
    assert step.done() == f"{file}: has another proxy"
    with pytest.raises(AdminError, match="sets Proxy"):
        step.do(ExitStack())
    step.undo()
    assert json.loads(file.read_text()) == {"policies": {"Proxy": {"Mode": "none"}}}


def test_policies_that_are_no_object_are_named(place: Place) -> None:
    put(place.root / "etc/firefox/policies/policies.json", {"policies": []})
    with pytest.raises(AdminError, match="policies is no object"):
        FirefoxPolicies(place, way("Firefox")).do(ExitStack())
