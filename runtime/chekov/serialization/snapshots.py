"""Encoding and decoding the states of aggregates as snapshots."""

from collections.abc import Callable
from dataclasses import fields
from hashlib import sha256
from typing import Any, Final, NamedTuple, cast, get_type_hints

from chekov.domain.aggregate import Aggregate
from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.personal import FORGOTTEN, required_fields
from chekov.domain.serializer import Serializer
from chekov.errors import DefinitionError
from chekov.serialization.codec import schemas
from chekov.serialization.serializers import Json, decoder_of, json_decoder

_POSITION_BYTES: Final = 8


class RestoredState(NamedTuple):
    """A state decoded from a snapshot."""

    state: Aggregate
    version: int
    position: int
    """Of the event at `version`: if the stream was erased and recreated, it differs."""


class EncodedState(NamedTuple):
    """A state in bytes."""

    kind: str
    """Digest of the shape of the state; a snapshot of another kind is ignored."""
    data: bytes


class Unstorable(Exception):
    """Decoding would not give the same state back."""


class _Shape(NamedTuple):
    kind: str
    encode: Callable[[object], bytes]
    decode: Callable[[bytes], Any]


class SnapshotCodec:
    """Encodes and decodes the states of a domain's aggregates, with its serializer.

    Raises:
        DefinitionError: an aggregate with snapshots has a field that cannot be stored; every one
            is listed.
    """

    def __init__(self, domain: Domain) -> None:
        faults: list[str] = []
        self._shapes: dict[type[Aggregate], _Shape] = {}
        serializer = domain.serializer or Json()
        for aggregate in domain.aggregates:
            if definition_of(aggregate).snapshot_due is not None:
                self._shapes[aggregate] = _shape(aggregate, serializer, faults)
        if faults:
            raise DefinitionError(f"domain {domain.name!r}", faults)

    def __len__(self) -> int:
        return len(self._shapes)

    def encode(self, restored: RestoredState) -> EncodedState:
        """Serialize a state.

        Raises:
            Unstorable: decoding would not give the same state back.
        """
        shape = self._shapes[type(restored.state)]
        data = _checked(shape, restored.state)
        return EncodedState(shape.kind, restored.position.to_bytes(_POSITION_BYTES, "big") + data)

    def decode(
        self, aggregate: type[Aggregate], version: int, encoded: EncodedState
    ) -> RestoredState | None:
        """Deserialize a state; `None` when its kind is not the one this code writes."""
        shape = self._shapes[aggregate]
        if encoded.kind != shape.kind:
            return None
        position = int.from_bytes(encoded.data[:_POSITION_BYTES], "big")
        try:
            state = shape.decode(encoded.data[_POSITION_BYTES:])
        except Exception:  # noqa: BLE001 a serializer may raise anything; the events are still there
            return None
        return RestoredState(state, version, position)


def _shape(aggregate: type[Aggregate], serializer: Serializer, faults: list[str]) -> _Shape:
    known = len(faults)
    if isinstance(serializer, Json):
        decode = json_decoder(aggregate, faults)
    else:
        decode = decoder_of(serializer, aggregate, faults)
    shape = _Shape(_kind(aggregate, serializer), serializer.encode, _forgetful(aggregate, decode))
    if len(faults) == known:
        try:
            # A field that is lost in the empty state, such as a tuple decoded as a list, always is.
            _checked(shape, aggregate())
        except Unstorable as error:
            faults.append(f"{aggregate.__qualname__} cannot be stored in a snapshot: {error}")
    return shape


def _forgetful(
    aggregate: type[Aggregate], decode: Callable[[bytes], Aggregate]
) -> Callable[[bytes], Aggregate]:
    """A decoder of states that reads `null` in required personal fields as `FORGOTTEN`."""
    personal = required_fields(aggregate)
    if not personal:
        return decode

    def forgetful(data: bytes) -> Aggregate:
        state = decode(data)
        for name in personal:
            if getattr(state, name) is None:
                setattr(state, name, FORGOTTEN)
        return state

    return forgetful


def _checked(shape: _Shape, state: Aggregate) -> bytes:
    try:
        data = shape.encode(state)
        decoded: object = shape.decode(data)
    except Exception as error:
        raise Unstorable(str(error)) from error
    back = vars(decoded)
    # Not `decoded == state`: its author may exclude fields, and appliers may add attributes.
    wrong = [name for name, value in vars(state).items() if back.get(name, ...) != value]
    if wrong:
        names = ", ".join(wrong)
        raise Unstorable(
            f"{names} would come back with another value: annotate it with its exact type"
        )
    return data


def _kind(aggregate: type[Aggregate], serializer: Serializer) -> str:
    """A digest that changes with the shape of the state, its nested types included."""
    hints = get_type_hints(aggregate)
    names = [item.name for item in fields(cast("Any", aggregate))]
    try:
        nested = repr(schemas([aggregate]))
    except (TypeError, NameError):
        # The domain's serializer may support types that JSON cannot hold.
        nested = ""
    shape = (
        definition_of(aggregate).snapshot_version,
        serializer.name,
        [(name, repr(hints[name])) for name in names],
        nested,
    )
    return sha256(repr(shape).encode()).hexdigest()[:32]
