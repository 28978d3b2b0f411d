"""JSON as Postgres accepts it, which is more than a decoder of events accepts."""

import json
from typing import NoReturn


def is_json(data: bytes) -> bool:
    """Whether `data` is one JSON document in UTF-8, of any numbers and keys.

    Numbers beyond the range of floats and escapes of lone surrogates count as JSON. The depth of
    nesting that is accepted depends on the machine: a few hundred levels always are.
    """
    try:
        # Numbers stay text, since some exceed Python's limit of digits.
        _loads(data.decode())
    except (ValueError, RecursionError):
        return False
    return True


def _loads(text: str) -> object:
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
