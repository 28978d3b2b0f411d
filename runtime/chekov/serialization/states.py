"""Encoding and decoding the states of aggregates and process managers."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from chekov.domain.personal import FORGOTTEN, required_fields
from chekov.domain.serializer import Serializer
from chekov.serialization.serializers import Json, decoder_of, json_decoder


class Unstorable(Exception):
    """Decoding would not give the same state back."""


class StateFormat(NamedTuple):
    """How the states of one class are written.

    Attributes:
        encode: a state to bytes, without a check; see `encoded`.
        decode: bytes to a state.
    """

    encode: Callable[[object], bytes]
    decode: Callable[[bytes], Any]

    def encoded(self, state: object) -> bytes:
        """Encode a state.

        Raises:
            Unstorable: decoding would not give the same state back.
        """
        try:
            data = self.encode(state)
            decoded: object = self.decode(data)
        except Exception as error:
            raise Unstorable(str(error)) from error
        back = vars(decoded)
        # Not `decoded == state`: its author may exclude fields, and methods may add attributes.
        wrong = [name for name, value in vars(state).items() if back.get(name, ...) != value]
        if wrong:
            names = ", ".join(wrong)
            raise Unstorable(
                f"{names} would come back with another value: annotate it with its exact type"
            )
        return data


def state_format(
    kind: type, serializer: Serializer, faults: list[str], *, place: str
) -> StateFormat:
    """How the states of a class are written to a place; one that cannot be is a fault."""
    known = len(faults)
    if isinstance(serializer, Json):
        decode = json_decoder(kind, faults)
    else:
        decode = decoder_of(serializer, kind, faults)
    found = StateFormat(serializer.encode, _forgetful(kind, decode))
    if len(faults) == known:
        try:
            # A field that is lost in the empty state, such as a tuple decoded as a list, always is.
            found.encoded(kind())
        except Unstorable as error:
            faults.append(f"{kind.__qualname__} cannot be stored in {place}: {error}")
    return found


@lru_cache
def state_decoder(kind: type) -> Callable[[bytes], Any]:
    """Reads states of a class from JSON.

    Raises:
        TypeError: JSON cannot hold them.
    """
    faults: list[str] = []
    decode = json_decoder(kind, faults)
    if faults:
        raise TypeError("; ".join(faults))
    return _forgetful(kind, decode)


def _forgetful(kind: type, decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """A decoder of states that reads `null` in required personal fields as `FORGOTTEN`."""
    personal = required_fields(kind)
    if not personal:
        return decode

    def forgetful(data: bytes) -> Any:
        state = decode(data)
        for name in personal:
            if getattr(state, name) is None:
                setattr(state, name, FORGOTTEN)
        return state

    return forgetful
