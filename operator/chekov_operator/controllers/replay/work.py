"""Carrying a Replay out in the store, under its uid: what was done before is not done again."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from chekov.errors import StoreError
from chekov.store.port import ParkedFilter, Store, SubscriptionKey
from chekov.store.start_points import start_position
from chekov_operator.api.replay import Again, Chosen, Discard, Replay
from chekov_operator.api.subscription import Subscription

_PAGE = 1000


class NothingParked(StoreError):
    """No failed event is parked that a Replay means."""


async def carry_out(store: Store, replay: Replay, target: Subscription) -> Mapping[str, object]:
    """Begin a Replay in the store; return what its status shows of that.

    Raises:
        NothingParked: there is nothing to retry or to discard.
        RewindRefused: the subscription cannot begin again now.
        GenerationRefused: the tables cannot be built now.
        DefinitionError: the position is beyond the end of the log.
        StoreError: the store is away.
    """
    work = replay.work
    if isinstance(work, Again):
        return await _begin_again(store, work, replay.meta.uid, target)
    if isinstance(work, Discard):
        meta = replay.meta
        reason = f"{work.reason} (Replay {meta.namespace}/{meta.name}, uid {meta.uid})"
        count = await _discard(store, work.chosen, reason, target)
        counts = {"discarded": count}
    else:
        count = await _retry(store, work.chosen, replay.meta.uid, target)
        counts = {"retried": count}
    if not count:
        raise NothingParked(
            f"{target.handler} has parked no failed event that spec means; "
            "`chekov subscriptions parked` lists them"
        )
    return {"counts": counts}


async def _begin_again(
    store: Store, work: Again, uid: str, target: Subscription
) -> Mapping[str, object]:
    is_origin = work.start == "origin"
    start = await start_position(store.events, work.start, label=target.handler)
    models = store.read_models
    if target.kind == "projection" and models is not None:
        await models.generations.rebuild(
            target.domain,
            target.handler,
            target.version,
            start=None if is_origin else start,
            beside=work.beside,
            replay=uid,
        )
        return {}
    key = SubscriptionKey(target.domain, target.handler, target.version)
    await store.layouts.rewind(key, start, replay=uid)
    return {"start": start}


async def _retry(store: Store, chosen: Chosen, uid: str, target: Subscription) -> int:
    async def retry(filter: ParkedFilter, after: int) -> Sequence[int]:
        return await store.subscriptions.retry_parked(
            target.domain, target.handler, filter, after=after, limit=_PAGE, replay=uid
        )

    done = await _every(chosen, retry)
    # After a crash they are marked already.
    known = await store.subscriptions.still_parked(target.domain, target.handler, uid)
    return max(done, sum(known.values()))


async def _discard(store: Store, chosen: Chosen, reason: str, target: Subscription) -> int:
    async def discard(filter: ParkedFilter, after: int) -> Sequence[int]:
        return await store.subscriptions.discard_parked(
            target.domain, target.handler, filter, reason=reason, after=after, limit=_PAGE
        )

    done = await _every(chosen, discard)
    # After a crash they are recorded already.
    return max(done, await _recorded(store, reason, target))


async def _recorded(store: Store, reason: str, target: Subscription) -> int:
    """How many events are recorded as discarded for a reason."""
    found, after = 0, 0
    while page := await store.subscriptions.discarded(
        target.domain, target.handler, after=after, limit=_PAGE
    ):
        found += sum(event.reason == reason for event in page)
        after = page[-1].position
    return found


async def _every(
    chosen: Chosen, act: Callable[[ParkedFilter, int], Awaitable[Sequence[int]]]
) -> int:
    """Act page by page, so that no transaction is long; return on how many events."""
    done = 0
    for key in chosen.keys or (None,):
        filter, after = ParkedFilter(key=key, fingerprint=chosen.fingerprint), 0
        while positions := await act(filter, after):
            done += len(positions)
            after = positions[-1]
    return done
