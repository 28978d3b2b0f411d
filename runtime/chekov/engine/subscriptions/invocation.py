"""Calling a handler with events: one after the other, or all of them in one transaction."""

import asyncio
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, Protocol

from chekov.domain.handler import Context, Transaction
from chekov.engine.subscriptions.checkpoint import Checkpoint
from chekov.engine.subscriptions.handler_routes import HandlerRoutes
from chekov.errors import Fenced, StoreUnavailable, Undecodable
from chekov.serialization.codec import decode_metadata
from chekov.store.port import ReadModels, RecordedEvent

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class HandlerFailed(Exception):
    """The handler raised, or an event could not be decoded.

    Attributes:
        done: how many events of the batch are handled nevertheless.
        error: what was raised.
    """

    def __init__(self, done: int, error: BaseException) -> None:
        self.done = done
        self.error = error
        super().__init__(f"{type(error).__name__}: {error}")

    @property
    def hopeless(self) -> bool:
        """Whether trying again cannot help."""
        return isinstance(self.error, Undecodable)


class Invocation(Protocol):
    """How events reach a handler.

    Attributes:
        most: how many events to hand over at once.
        together: whether they are handled all or none.
    """

    most: int
    together: bool

    async def hand(
        self, progress: Checkpoint, events: Sequence[RecordedEvent], *, attempt: int
    ) -> int:
        """Hand over events, tell `progress`, and answer how many it was good for.

        Raises:
            HandlerFailed: at one of them.
            Fenced: another process owns the subscription.
            StoreUnavailable: the database is away; what came of the events is not known.
        """
        ...


class AtLeastOnce:
    """At least once: the checkpoint follows later."""

    most = 100
    together = False

    def __init__(self, recipient: HandlerRoutes) -> None:
        self._recipient = recipient

    async def hand(
        self, progress: Checkpoint, events: Sequence[RecordedEvent], *, attempt: int
    ) -> int:
        """Hand over events until something else is due."""
        done = 0
        decode = self._recipient.decode
        methods = self._recipient.methods
        replay_until = progress.replay_until
        try:
            for recorded in events:
                context = Context(
                    stream=recorded.stream,
                    version=recorded.version,
                    position=recorded.position,
                    id=recorded.id,
                    time=recorded.time,
                    correlation_id=recorded.correlation_id,
                    causation_id=recorded.causation_id,
                    metadata=_metadata(recorded),
                    replaying=recorded.position <= replay_until,
                    attempt=attempt,
                )
                method = methods.get(recorded.type)
                if method is None:
                    await self._recipient.invoke_upcast(recorded, context)
                else:
                    await method(decode(recorded), context)
                done += 1
                if not progress.advance(recorded.position):
                    break
        except StoreUnavailable:
            raise
        except Exception as error:
            raise HandlerFailed(done, error) from error
        except asyncio.CancelledError as error:
            _refuse_foreign(done, error)
            raise
        return done


class Transactional:
    """Exactly once: what the handler writes and the checkpoint commit in one transaction."""

    most = 500
    together = True

    def __init__(self, recipient: HandlerRoutes, read_models: ReadModels) -> None:
        self._recipient = recipient
        self._read_models = read_models

    async def hand(
        self, progress: Checkpoint, events: Sequence[RecordedEvent], *, attempt: int
    ) -> int:
        """Hand over all events, or none of them."""
        claim = progress.claim
        last = events[-1].position
        decode = self._recipient.decode
        methods = self._recipient.methods
        with _failures():
            async with self._read_models.transaction(
                claim, last, search_path=self._read_models.schema_for(claim.key)
            ) as connection:
                # What user code raises must not look like a failure of the database outside.
                with _failures():
                    for recorded in events:
                        transaction = Transaction(
                            stream=recorded.stream,
                            version=recorded.version,
                            position=recorded.position,
                            id=recorded.id,
                            time=recorded.time,
                            correlation_id=recorded.correlation_id,
                            causation_id=recorded.causation_id,
                            metadata=_metadata(recorded),
                            replaying=recorded.position <= progress.replay_until,
                            attempt=attempt,
                            connection=connection,
                        )
                        method = methods.get(recorded.type)
                        if method is None:
                            await self._recipient.invoke_upcast(recorded, transaction)
                        else:
                            await method(decode(recorded), transaction)
        progress.committed(last)
        return len(events)


def _metadata(recorded: RecordedEvent) -> Mapping[str, Any]:
    return _NOTHING if recorded.metadata is None else decode_metadata(recorded.metadata)


@contextmanager
def _failures() -> Generator[None]:
    try:
        yield
    except (HandlerFailed, Fenced, StoreUnavailable):
        raise
    except Exception as error:
        raise HandlerFailed(0, error) from error
    except asyncio.CancelledError as error:
        _refuse_foreign(0, error)
        raise


def _refuse_foreign(done: int, error: asyncio.CancelledError) -> None:
    """A cancellation that nobody asked of this task is a failure of what the handler awaited."""
    task = asyncio.current_task()
    if task is not None and not task.cancelling():
        raise HandlerFailed(done, error) from error
