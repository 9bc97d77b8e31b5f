"""Request, body or message -> Detection, by the rules of a catalogue; live and for recordings.

Pure: no clock, no files, no network, no logging.
"""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = [
    "Exchange",
    "RecordingError",
    "RequestFindings",
    "Scanner",
    "UnknownEncodingError",
    "detect",
    "detection",
    "observe",
]

if TYPE_CHECKING:
    from bewust.detection.decompression import UnknownEncodingError
    from bewust.detection.recordings import Exchange, RecordingError
    from bewust.detection.requests import RequestFindings, detect, detection, observe
    from bewust.detection.scanning import Scanner
else:
    __getattr__ = lazy_exports(
        __name__,
        Exchange="recordings",
        RecordingError="recordings",
        RequestFindings="requests",
        Scanner="scanning",
        UnknownEncodingError="decompression",
        detect="requests",
        detection="requests",
        observe="requests",
    )
