"""Positions that the log does not have: nobody waits for them."""

from chekov.server.problems import BEYOND_THE_LOG, RequestError
from chekov.store.port import Store


async def require_within_log(store: Store, position: int, advice: str) -> None:
    """Refuse a position that a later event would get, which is another one than the client means.

    Args:
        store: has the log.
        position: which the client has seen, as it says.
        advice: what to do about it.

    Raises:
        RequestError: the log ends before the position.
        StoreUnavailable: the database is away.
    """
    if position <= store.tail.head.value or position <= (head := await store.head()):
        return
    raise RequestError(
        BEYOND_THE_LOG,
        f"The log ends at position {head}, before {position}: it is another log, or was "
        f"restored to an earlier state. {advice}",
        {"expected": position, "actual": head},
    )
