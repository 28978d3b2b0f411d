"""JSON as Postgres takes it, which is more than what a decoder of events takes."""

import json
from typing import NoReturn


def is_json(data: bytes) -> bool:
    """Whether `data` is one JSON document in UTF-8, whatever its numbers and keys.

    So are numbers that no float holds, and escapes of half a character. How deep it may be nested
    differs with the machine: a few hundred levels are always fine.
    """
    try:
        # Numbers stay text: some of them are too long for Python's own limits.
        _loads(data.decode())
    except (ValueError, RecursionError):
        return False
    return True


def _loads(text: str) -> object:
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
