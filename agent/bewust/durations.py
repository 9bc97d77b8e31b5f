"""Spans of time as files of ours write them: "10s", "30m", "2h", "3d"."""

import re

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """Return the seconds in "10s", "30m", "2h" or "3d"; 0 for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd])", text.strip())
    return float(match[1]) * _UNITS[match[2]] if match else 0.0
