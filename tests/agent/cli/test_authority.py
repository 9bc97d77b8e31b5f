"""`bewust authority request` and `import`, as an administrator meets them. `show` and `renew`: test_cli."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bewust.cli.main import main
from support.organisation_authority import Organisation, pem


def run(state: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--state", str(state), "authority", *arguments], prog_name="bewust")


@pytest.fixture
def answered(tmp_path: Path) -> tuple[Path, Path]:
    """A state folder with a request, and the organisation's answer to it."""
    state, asked, answer = tmp_path / "state", tmp_path / "request.csr", tmp_path / "answer.pem"
    organisation = Organisation(datetime.now(UTC))
    result = run(state, "request", "--out", str(asked))
    assert result.exit_code == 0, result.output
    answer.write_bytes(pem(organisation.sign(asked.read_bytes()), organisation.certificate))
    return state, answer


def test_from_a_request_to_an_authority_of_the_organisations(answered: tuple[Path, Path]) -> None:
    state, answer = answered
    assert "waits for its certificate; run `bewust authority import`" in run(state, "show").stderr
    result = run(state, "import", str(answer))
    assert result.exit_code == 0, result.output
    assert "Authority for" in result.stdout and "by name only" not in result.stdout
    shown = run(state, "show").stdout
    assert "Signed by:   the organisation's authority" in shown
    assert "  www.google.nl" in shown


def test_an_imported_one_is_not_replaced_by_one_that_nobody_trusts(answered: tuple[Path, Path]) -> None:
    state, answer = answered
    run(state, "import", str(answer))
    before = run(state, "show").stdout
    result = run(state, "renew")
    assert result.exit_code == 7
    assert "signed by the organisation" in result.stderr and "bewust authority request" in result.stderr
    assert run(state, "show").stdout == before


def test_what_is_refused_is_one_line_and_7(answered: tuple[Path, Path], tmp_path: Path) -> None:
    state, answer = answered
    alone = tmp_path / "alone.pem"
    alone.write_bytes(answer.read_bytes().partition(b"-----END CERTIFICATE-----\n")[0] + b"-----END CERTIFICATE-----\n")
    result = run(state, "import", str(alone))
    assert result.exit_code == 7
    assert result.stderr.count("\n") == 1 and "is missing; give the certificates up to" in result.stderr
    assert run(state, "import", str(tmp_path / "none.pem")).exit_code == 7


def test_names_that_were_not_signed_for_are_said(tmp_path: Path) -> None:
    from bewust.authority import external

    state, answer = tmp_path / "state", tmp_path / "answer.pem"
    organisation = Organisation(datetime.now(UTC))
    asked = external.signing_request(state / "authority", ["www.google.nl"])
    answer.write_bytes(pem(organisation.sign(asked), organisation.certificate))
    result = run(state, "import", str(answer))
    assert "Authority for 1 names" in result.stdout
    assert "Known by name only, as it does not cover them: *.translate.goog" in result.stdout


def test_a_request_that_cannot_be_written_names_its_file(tmp_path: Path) -> None:
    result = run(tmp_path / "state", "request", "--out", str(tmp_path / "nowhere" / "request.csr"))
    assert result.exit_code == 7
    assert "nowhere" in result.stderr and "cannot be written" in result.stderr
