"""Encoding and decoding what process managers keep: states, timers, commands and refusals."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from chekov.domain.definitions import definition_of, process_definition_of
from chekov.domain.domain import Domain
from chekov.domain.process_manager import ProcessManager
from chekov.domain.timers import Timer
from chekov.errors import DefinitionError, Rejected, StoreError
from chekov.serialization.rejections import path_of, rejection_of
from chekov.serialization.serializers import Json, json_decoder
from chekov.serialization.states import StateFormat, Unstorable, state_format

_encode: Final = msgspec.json.Encoder().encode


class UnreadableProcess(StoreError):
    """The state or a timer of a process manager cannot be read, or could not be read back."""


class _Refusal(msgspec.Struct, omit_defaults=True):
    """A refusal as it is stored.

    Attributes:
        code: that of its class, or the name of one that is no `Rejected`.
        fields: the attributes that JSON can hold.
        path: module and name of the class, which distinguish it from others of this code.
    """

    code: str
    message: str
    fields: dict[str, Any] = {}
    path: str = ""


_decode_refusal: Final = msgspec.json.Decoder(_Refusal).decode


class _Formats(NamedTuple):
    state: StateFormat
    timers: dict[str, Callable[[bytes], Timer]]


class ProcessCodec:
    """Encodes and decodes the states and timers of a domain's process managers.

    Raises:
        DefinitionError: a field cannot be stored; every one is listed.
    """

    def __init__(self, domain: Domain) -> None:
        faults: list[str] = []
        serializer = domain.serializer or Json()
        self._formats: dict[type[ProcessManager], _Formats] = {
            kind: _Formats(
                state_format(kind, serializer, faults, place="a process"),
                {
                    definition_of(timer).name: json_decoder(timer, faults)
                    for timer in process_definition_of(kind).expirations
                },
            )
            for kind in map(type, domain.process_managers)
        }
        if faults:
            raise DefinitionError(f"domain {domain.name!r}", faults)

    def encode_state(self, state: ProcessManager) -> bytes:
        """Encode the state of an instance.

        Raises:
            UnreadableProcess: it would come back as another one.
        """
        kind = type(state)
        try:
            return self._formats[kind].state.encoded(state)
        except Unstorable as error:
            raise UnreadableProcess(
                f"the state of {kind.__qualname__} cannot be stored: {error}"
            ) from error

    def decode_state(self, kind: type[ProcessManager], instance: str, data: bytes) -> Any:
        """Decode the state of an instance.

        Raises:
            UnreadableProcess: it does not fit the class.
        """
        try:
            return self._formats[kind].state.decode(data)
        except Exception as error:
            raise UnreadableProcess(
                f"the state of {kind.__qualname__} {instance!r} cannot be decoded: {error}"
            ) from error

    def encode_timer(self, timer: Timer) -> bytes:
        """Encode a timer.

        Raises:
            UnreadableProcess: JSON cannot hold one of its values.
        """
        try:
            return _encode(timer)
        except (TypeError, ValueError, RecursionError) as error:
            raise UnreadableProcess(
                f"{type(timer).__qualname__} cannot be stored: {error}"
            ) from error

    def decode_timer(self, kind: type[ProcessManager], name: str, data: bytes) -> Timer:
        """Decode a timer.

        Raises:
            UnreadableProcess: the process manager takes none of this name, or it does not fit.
        """
        decode = self._formats[kind].timers.get(name)
        if decode is None:
            raise UnreadableProcess(f"{kind.__qualname__} takes no timer {name!r}")
        try:
            return decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UnreadableProcess(
                f"the timer {name!r} of {kind.__qualname__} cannot be decoded: {error}"
            ) from error


def encode_refusal(error: Exception) -> bytes:
    """Encode why a command was refused."""
    code = error.__chekov__.code if isinstance(error, Rejected) else type(error).__name__
    refusal = _Refusal(code, str(error), path=path_of(type(error)))
    for name, value in vars(error).items():
        if name == "message":
            continue
        try:
            _encode(value)
        except (TypeError, ValueError, RecursionError):
            continue
        refusal.fields[name] = value
    return _encode(refusal)


def decode_refusal(data: bytes) -> Rejected:
    """The refusal as its class, if that is a `Rejected` which this process knows.

    Its fields have the types of their annotations; other attributes, and values that do not fit
    these, are as JSON gives them back.
    """
    refusal = _decode_refusal(data)
    return rejection_of(refusal.code, refusal.message, refusal.fields, path=refusal.path)
