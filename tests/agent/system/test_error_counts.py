"""What goes wrong is counted without its text, and never without end."""

import asyncio
import logging
import re
import subprocess
import sys

import pytest

from bewust import hosts
from bewust.catalogue import entries
from bewust.doctor.redaction import Redactor
from bewust.proxy.messages import PLACE
from bewust.system.error_counts import LIMIT, Failures, last_error, place_of


def test_an_exception_is_counted_by_place_and_class_and_goes_no_further() -> None:
    failures = Failures()
    for _ in range(2):
        with failures.guard("visit"):
            raise KeyError("www.canary.example")
    with failures.guard("visit"):
        pass
    (told,) = failures
    assert (told.startswith("visit: KeyError (test_error_counts:"), failures[told]) == (True, 2)
    with pytest.raises(asyncio.CancelledError), failures.guard("visit"):
        raise asyncio.CancelledError


def test_there_are_never_more_than_so_many_kinds() -> None:
    failures = Failures()
    for number in range(2 * LIMIT):
        failures.record(f"place {number}", "Error")
        failures.record("place 0", "Error")
    assert len(failures) == LIMIT
    assert failures["place 0: Error"] == 2 * LIMIT + 1


def test_what_the_loop_and_the_libraries_complain_of_is_counted_and_written_nowhere(
    capfd: pytest.CaptureFixture[str],
) -> None:
    failures = Failures()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with failures.capture_loop_errors(loop):
            loop.call_exception_handler({"message": "of www.canary.example", "exception": OSError("canary")})
            loop.call_exception_handler({"message": "canary"})
            logging.getLogger("a.library").error("of %s", "www.canary.example", exc_info=KeyError("canary"))
            logging.getLogger("a.library").error("canary")
            logging.getLogger("a.library").warning("canary")

    asyncio.run(main())
    assert {re.sub(r" \(.*", "", told): count for told, count in failures.items()} == {
        "loop: OSError": 1, "loop: NoneType": 1, "a.library: KeyError": 1, "a.library: error": 1,
    }  # fmt: skip
    assert "canary" not in "".join(capfd.readouterr())


def test_a_place_is_our_own_line_and_the_librarys_that_raised() -> None:
    assert place_of(None) == ""
    try:
        hosts.normalise_host(None)  # type: ignore[arg-type]
    except AttributeError as error:
        assert re.fullmatch("hosts:[0-9]+", place_of(error))
    try:
        entries.build_service({"hosts": object()}, [])
    except Exception as error:  # noqa: BLE001 - wherever it comes from
        assert re.fullmatch(PLACE, place_of(error)) and place_of(error).startswith("entries:")


def test_a_place_is_left_in_a_support_bundle() -> None:
    told = "tls_clienthello: KeyError (gate:151, _http1:345)"
    assert Redactor({}, ()).text(told) == told


def test_of_what_a_process_wrote_class_and_place_of_its_last_exception_are_told_and_nothing_else() -> None:
    code = "from bewust import hosts\nprint('https://canary.example/', flush=True)\nhosts.normalise_host(7)"
    written = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr
    error, place = last_error("https://canary.example/ Traceback\n" + written)
    assert (error, re.fullmatch("hosts:[0-9]+", place) is not None) == ("AttributeError", True)
    for text in (
        "",
        "canary",
        "Traceback (most recent call last):",
        "KeyError: 'canary'",
        written[: len(written) // 2],
    ):
        assert last_error(text) == ("", "")
    chained = (
        written
        + "\nDuring handling of the above exception, another exception occurred:\n\n"
        + written.replace("AttributeError: 'int'", "bewust.catalogue.entries.CatalogueError: www.canary.example")
    )
    assert last_error(chained) == ("CatalogueError", place)
