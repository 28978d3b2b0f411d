"""Everything that a runtime would refuse about a domain, in one list."""

from functools import lru_cache

from chekov.domain.aggregate import Aggregate
from chekov.domain.domain import Domain
from chekov.errors import DefinitionError
from chekov.serialization.codec import Codec
from chekov.serialization.processes import ProcessCodec
from chekov.serialization.snapshots import SnapshotCodec


def validate(domain: Domain) -> None:
    """Check that every message, snapshot and process of a domain can be encoded and decoded.

    What can be wrong without that, its constructor has refused already.

    Raises:
        DefinitionError: lists every fault.
    """
    faults: list[str] = []
    for codec in (Codec, SnapshotCodec, ProcessCodec):
        try:
            codec(domain)
        except DefinitionError as error:
            faults += error.faults
    if faults:
        raise DefinitionError(f"domain {domain.name!r}", faults)


@lru_cache
def validate_aggregate(aggregate: type[Aggregate]) -> None:
    """Check one aggregate by itself, as the only one of a domain that writes JSON.

    Raises:
        DefinitionError: lists every fault.
    """
    try:
        domain = Domain("one", aggregates=[aggregate])
        Codec(domain)
    except DefinitionError as error:
        raise DefinitionError(aggregate.__qualname__, error.faults) from error
