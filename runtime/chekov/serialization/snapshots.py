"""Encoding and decoding the states of aggregates as snapshots."""

from dataclasses import fields
from hashlib import sha256
from typing import Any, Final, NamedTuple, cast, get_type_hints

from chekov.domain.aggregate import Aggregate
from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.serializer import Serializer
from chekov.errors import DefinitionError
from chekov.serialization.schemas import schemas
from chekov.serialization.serializers import Json
from chekov.serialization.states import StateFormat, state_format

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


class _Shape(NamedTuple):
    kind: str
    format: StateFormat


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
        data = shape.format.encoded(restored.state)
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
            state = shape.format.decode(encoded.data[_POSITION_BYTES:])
        except Exception:  # noqa: BLE001 a serializer may raise anything; the events are still there
            return None
        return RestoredState(state, version, position)


def _shape(aggregate: type[Aggregate], serializer: Serializer, faults: list[str]) -> _Shape:
    found = state_format(aggregate, serializer, faults, place="a snapshot")
    return _Shape(_kind(aggregate, serializer), found)


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
