"""What goes wrong is counted without its text, and never without end."""

import asyncio
import logging

import pytest

from bewust.failures import LIMIT, Failures


def test_an_exception_is_counted_by_place_and_class_and_goes_no_further() -> None:
    failures = Failures()
    for _ in range(2):
        with failures.guard("visit"):
            raise KeyError("www.canary.example")
    with failures.guard("visit"):
        pass
    assert failures == {"visit: KeyError": 2}
    with pytest.raises(asyncio.CancelledError), failures.guard("visit"):
        raise asyncio.CancelledError


def test_there_are_never_more_than_so_many_kinds() -> None:
    failures = Failures()
    for number in range(2 * LIMIT):
        failures.note(f"place {number}", "Error")
        failures.note("place 0", "Error")
    assert len(failures) == LIMIT
    assert failures["place 0: Error"] == 2 * LIMIT + 1


def test_what_the_loop_and_the_libraries_complain_of_is_counted_and_written_nowhere(
    capfd: pytest.CaptureFixture[str],
) -> None:
    failures = Failures()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with failures.heard(loop):
            loop.call_exception_handler({"message": "of www.canary.example", "exception": OSError("canary")})
            loop.call_exception_handler({"message": "canary"})
            logging.getLogger("a.library").error("of %s", "www.canary.example", exc_info=KeyError("canary"))
            logging.getLogger("a.library").error("canary")
            logging.getLogger("a.library").warning("canary")

    asyncio.run(main())
    assert failures == {
        "loop: OSError": 1, "loop: NoneType": 1, "a.library: KeyError": 1, "a.library: error": 1,
    }  # fmt: skip
    assert "canary" not in "".join(capfd.readouterr())
