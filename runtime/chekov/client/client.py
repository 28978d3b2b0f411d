"""The HTTP API of a service, for programs: what `Runtime` is within a process."""

import ssl
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar, overload
from uuid import UUID

from chekov.client.addresses import query_parameters, state_call
from chekov.client.batch import Batch, Commands
from chekov.client.commands import (
    Dispatch,
    Later,
    check_handled,
    command_headers,
    result_of,
    state_of,
    written,
)
from chekov.client.errors import ProblemError
from chekov.client.event_reader import EventReader
from chekov.client.transport import Call, Token, Transport, read
from chekov.client.values import CommandResult, Outcome, PlainCommand
from chekov.domain.aggregate import Aggregate
from chekov.domain.domain import Domain
from chekov.domain.envelope import Consistency
from chekov.domain.loaded import Loaded
from chekov.domain.messages import Command, Event
from chekov.domain.queries import check_arguments, find_query
from chekov.domain.recurrence import Missed
from chekov.errors import ConsistencyTimeout, WrongExpectedVersion
from chekov.serialization.answers import (
    CommandDocument,
    ScheduledDocument,
    StateDocument,
    read_result,
)
from chekov.serialization.codec import Codec
from chekov.serialization.command_lines import Return
from chekov.uuid7 import uuid7

A = TypeVar("A", bound=Aggregate)
E = TypeVar("E", bound=Event)
T = TypeVar("T")


class Client:
    """A service, by the address of its HTTP API, while it is entered.

    A call that fails on the way is sent again, with back-off, until its time is over: when the
    connection is lost, and when the service is overloaded, shuts down or has lost its database.
    Every command has an id, under which it is executed once, however often it is sent.

    Args:
        url: where the service is, such as `https://shop.example`.
        domain: its domain, or a part of it, whose classes events, states and results of queries
            then have. Without one they are plain values.
        token: for services that require one; or a function, also an async one, that returns the
            token which is valid now: it is called for each request.
        tls: how the certificate of the service is checked, and the client's own certificate.
        timeout: seconds for a call with all its attempts, unless it says otherwise.
        attempt_timeout: seconds without an answer after which a call is sent again.

    Attributes:
        events, subscribe: stored events, and new ones as they are stored; see `EventReader`.

    Raises:
        InvalidArgument: the URL cannot be used.
        DefinitionError: a message of the domain cannot be written as JSON.
    """

    def __init__(
        self,
        url: str,
        *,
        domain: Domain | None = None,
        token: Token | None = None,
        tls: ssl.SSLContext | None = None,
        timeout: float = 30.0,
        attempt_timeout: float = 10.0,
    ) -> None:
        self._domain = domain
        self._codec = None if domain is None else Codec(domain)
        self._transport = Transport(
            url, token=token, tls=tls, timeout=timeout, attempt_timeout=attempt_timeout
        )
        reader = EventReader(self._transport, self._codec)
        self.events, self.subscribe = reader.events, reader.subscribe

    async def __aenter__(self) -> Self:
        """Make it usable; nothing is sent yet."""
        await self._transport.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close its connections."""
        await self._transport.close()

    @overload
    async def dispatch(
        self,
        command: Command[E],
        *,
        command_id: UUID | None = None,
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
        timeout: float | None = None,
        consistency: Consistency = "eventual",
        consistency_timeout: float = 5.0,
        returns: Return = "events",
    ) -> CommandResult[E]: ...
    @overload
    async def dispatch(
        self,
        command: PlainCommand,
        *,
        command_id: UUID | None = None,
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
        timeout: float | None = None,
        consistency: Consistency = "eventual",
        consistency_timeout: float = 5.0,
        returns: Return = "events",
    ) -> CommandResult[Any]: ...
    async def dispatch(
        self,
        command: Command[Any] | PlainCommand,
        *,
        command_id: UUID | None = None,
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
        timeout: float | None = None,
        consistency: Consistency = "eventual",
        consistency_timeout: float = 5.0,
        returns: Return = "events",
    ) -> CommandResult[Any]:
        """Have a command executed, once.

        Args:
            command: what to do; a `PlainCommand` without the class.
            command_id: its id; a new one by default. Give one that is kept, in order to send the
                command again after this program was restarted.
            correlation_id: shared by what follows from one request; a new one by default.
            causation_id: what led to this command; `$caused_by` in the metadata of its events.
            metadata: stored with each of its events, as JSON; keys must not begin with `$`.
            expected_version: refuse unless the stream is at this version.
            timeout: seconds for all attempts.
            consistency: `"strong"` waits for handlers that are declared so, a list for those named.
            consistency_timeout: seconds to wait for them, 60 at most.
            returns: what it is answered with: its `"events"`, the `"state"` after it,
                `"everything"`, or the `"version"` alone.

        Raises:
            Rejected: a rule refuses; a subclass that this program knows by its code, with its
                fields.
            Unreachable: there was no answer in time; `stored` says whether it may be executed.
            Unauthorized: the token is missing, or not accepted.
            ProblemError: any other problem that has no error of its own.
            UnexpectedAnswer: what answers is another program.
            ChekovError: `Forbidden`, `UnknownCommand`, `InvalidCommand`, `CommandIdReused`,
                `StreamDeleted`, `WrongExpectedVersion`, `TooManyConflicts`, `CommandTimeout`,
                `ConsistencyTimeout`, `HandlerFailed`, `InvalidConsistency`, `Overloaded`,
                `RateLimited`, `Draining` and `StoreUnavailable`, as from `Runtime.dispatch`; the
                last seven of them only once the time is over.
        """
        sending = Dispatch(
            command,
            command_id=command_id,
            correlation_id=correlation_id,
            causation_id=causation_id,
            metadata=metadata,
            expected_version=expected_version,
            consistency=consistency,
            consistency_timeout=consistency_timeout,
            returns=returns,
        )
        answer = await self._transport.call(sending.call(), timeout)
        document = read(answer, CommandDocument)
        check_handled(document)
        return result_of(document, command, self._domain, self._codec)

    def dispatch_all(
        self, commands: Commands, *, correlation_id: UUID | None = None
    ) -> AsyncGenerator[Outcome]:
        """Have many commands executed over one connection, each once, and say what became of each.

        Commands to one instance are executed in their order, others at the same time. A command
        that is refused does not keep the others from being executed. When the connection is lost,
        those without an answer are sent again. Iterate in an `aclosing` block, or to the end.

        Args:
            commands: an iterable or async iterable, from which they are taken as there is room;
                a `Dispatch` is a command with options of its own.
            correlation_id: shared by all that follows from them.

        Raises:
            Unreachable: there was no answer for the time of a call; the outcomes before are final.
            ChekovError: the service refuses the batch as a whole.
        """
        headers = {} if correlation_id is None else {"X-Correlation-ID": str(correlation_id)}
        return Batch(self._transport, headers, commands, self._domain, self._codec).outcomes()

    async def schedule(
        self,
        command: Command[Any] | PlainCommand,
        *,
        at: datetime | None = None,
        after: timedelta | None = None,
        cron: str | None = None,
        timezone: str | None = None,
        missed: Missed | None = None,
        id: UUID | None = None,  # noqa: A002 the word of `Runtime.schedule`
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> UUID:
        """Have a command executed at a later time, once, or again and again.

        Args:
            command: what to do.
            at: when, with a zone; a time in the past is now.
            after: how long from now, instead; in whole seconds.
            cron: at which times, instead, such as `"0 0 1 * *"`.
            timezone: of `cron`, by its IANA name; UTC by default.
            missed: what happens to runs of `cron` that were due while no process ran: `"once"`,
                `"skip"` or `"all"`.
            id: by which it can be cancelled; a new one by default.
            correlation_id: shared by everything that follows from one request.
            causation_id: what the command is scheduled for. Once cancelled, it is not scheduled for
                that again.
            metadata: stored with each of its events, as JSON.

        Returns:
            The id.

        Raises:
            InvalidArgument: not one of `at`, `after` and `cron` is given.
            ChekovError: as `dispatch`.
        """
        later = Later(at=at, after=after, cron=cron, timezone=timezone, missed=missed)
        name, body = written(command)
        command_id = id or uuid7()
        headers = command_headers(command_id, correlation_id, causation_id, metadata)
        call = Call("POST", ("commands", name), later.query(), headers, body, command_id)
        answer = await self._transport.call(call)
        return read(answer, ScheduledDocument).scheduled

    @overload
    async def load(
        self, aggregate: type[A], identifier: object, *, at: int | datetime | None = None
    ) -> Loaded[A]: ...
    @overload
    async def load(
        self, aggregate: str, identifier: object, *, at: int | datetime | None = None
    ) -> Loaded[Any]: ...
    async def load(
        self,
        aggregate: type[Aggregate] | str,
        identifier: object,
        *,
        at: int | datetime | None = None,
    ) -> Loaded[Any]:
        """The state of an instance as it is stored now, or as it was.

        Args:
            aggregate: its class, or its identity, with which the state is plain values.
            identifier: which instance.
            at: a version that it had; or a time with a zone, for the last version until then.

        Raises:
            StreamNotFound: nothing was stored for it, or nothing until then.
            StreamDeleted: it was deleted.
            WrongExpectedVersion: it has no version `at`.
            UnusableState: its state cannot be written as JSON, or not be read as the class.
            ChekovError: as `dispatch`.
        """
        call = state_call(aggregate, identifier, at)
        try:
            answer = await self._transport.call(call)
        except ProblemError as error:
            actual = error.problem.members.get("actual")
            if isinstance(at, int) and isinstance(actual, int):
                raise WrongExpectedVersion("-".join(call.path[1:]), at, actual) from error
            raise
        document = read(answer, StateDocument)
        kind = None if isinstance(aggregate, str) else aggregate
        return Loaded(document.stream, document.version, state_of(bytes(document.state), kind))

    async def query(
        self,
        projection: str,
        query: str,
        arguments: Mapping[str, object] | None = None,
        *,
        min_position: int = 0,
        timeout: float | None = None,
    ) -> Any:
        """Ask a projection.

        Args:
            projection: its name.
            query: the name of its method.
            arguments: of the method, by name; those that are `None` are left out.
            min_position: wait until everything up to here is in its tables, such as the position
                of a command's result.
            timeout: seconds for all attempts.

        Returns:
            The result, as the type in the annotation of the method if the client has the domain.

        Raises:
            UnknownQuery: the client's domain has no such query.
            InvalidArgument: the arguments are not those of the query.
            ConsistencyTimeout: it has not reached `min_position` in time.
            UnexpectedResult: the result does not fit the annotation.
            ChekovError: as `dispatch`.
        """
        given = arguments or {}
        declared = None
        if self._domain is not None:
            _, method = find_query(self._domain.projections, projection, query)
            check_arguments(f"{projection}/{query}", method, given)
            declared = method.returns
        headers = {"X-Min-Position": str(min_position)} if min_position else {}
        path = ("queries", projection, query)
        call = Call("GET", path, query_parameters(given), headers)
        try:
            answer = await self._transport.call(call, timeout)
        except ProblemError as error:
            if error.problem.slug == "projection-behind":
                raise ConsistencyTimeout(min_position, [projection]) from error
            raise
        return read_result(f"{projection}/{query}", answer.body, declared)

    async def forget(self, subject: str) -> None:
        """Make the personal data about somebody unreadable for good.

        Raises:
            ChekovError: as `dispatch`.
        """
        await self._transport.call(Call("DELETE", ("subjects", subject)))
