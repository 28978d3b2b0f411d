"""Which methods may return the keys of events, and how a change of them is noticed."""

import subprocess
import sys
from collections.abc import Sequence
from uuid import UUID

import pytest

from chekov import Context, Event, EventHandler, Projection, handle, partition
from chekov.domain.partitioning import InvalidPartitionKey, key_text

UNCOVERED = ", but no method marked @partition takes it: each event that it handles needs a key"


class Paid(Event):
    customer: str


class PaidByCard(Paid):
    card: str


class Left(Event):
    customer: str


def faults(kind: type[EventHandler]) -> Sequence[str]:
    return kind.__chekov__.faults


def keyed_by(kind: type[EventHandler]) -> str:
    return kind.__chekov__.keyed_by


def test_a_method_returns_the_key_of_each_event_that_is_handled() -> None:
    class ByCustomer(EventHandler, partitions=4):
        @handle
        async def paid(self, event: Paid, context: Context) -> None: ...

        @handle
        async def left(self, event: Left, context: Context) -> None: ...

        @partition
        def customer(self, event: Paid | Left) -> str:
            return event.customer

    class ByTenant(EventHandler):
        @handle
        async def paid(self, event: Event, context: Context) -> None: ...

        @partition
        def tenant(self, event: Event, context: Context) -> str:
            return str(context.metadata["tenant"])

    assert not faults(ByCustomer)
    assert not faults(ByTenant)


def test_what_cannot_return_a_key_is_a_fault_of_the_class() -> None:
    class Mistaken(EventHandler):
        @handle
        async def paid(self, event: Paid, context: Context) -> None: ...

        @handle
        async def left(self, event: Left, context: Context) -> None: ...

        @partition  # type: ignore[arg-type]
        async def customer(self, event: PaidByCard, card: str) -> str:
            return event.customer

    assert [fault.partition("Mistaken")[2] for fault in faults(Mistaken)] == [
        ".customer must be a plain method without `async`: it only returns a key",
        ".customer takes the event and, if need be, a second parameter annotated Context",
        f" handles Paid{UNCOVERED}",
        f" handles Left{UNCOVERED}",
    ]


def test_two_methods_for_one_event_are_a_fault() -> None:
    class Twice(EventHandler):
        @handle
        async def paid(self, event: Paid, context: Context) -> None: ...

        @partition
        def customer(self, event: Paid) -> str:
            return event.customer

        @partition
        def constant(self, event: Paid) -> str:
            return "one"

    assert "both take Paid: keep one" in faults(Twice)[0]


def test_the_keyword_says_stream_or_a_method_says_more() -> None:
    class Plain(EventHandler, partition_by="stream"):
        @handle
        async def paid(self, event: Paid, context: Context) -> None: ...

    class Both(EventHandler, partition_by="stream"):
        @handle
        async def paid(self, event: Paid, context: Context) -> None: ...

        @partition
        def customer(self, event: Paid) -> str:
            return event.customer

    class Other(EventHandler, partition_by="category"):  # type: ignore[arg-type]
        @handle
        async def paid(self, event: Paid, context: Context) -> None: ...

    assert not faults(Plain)
    assert "keep one" in faults(Both)[0]
    assert "partition_by 'category' is not 'stream'" in faults(Other)[0]


def test_a_projection_has_no_keys() -> None:
    class Totals(Projection):
        tables = "create table totals (customer text)"

        @partition
        def customer(self, event: Paid) -> str:
            return event.customer

    assert "is marked @partition, which has no effect" in faults(Totals)[0]


@pytest.mark.parametrize(
    ("key", "text"), [("a", "a"), (7, "7"), (UUID(int=7), "00000000-0000-0000-0000-000000000007")]
)
def test_a_key_is_text_a_number_or_a_uuid(key: object, text: str) -> None:
    assert key_text("Mailer.customer", key) == text


@pytest.mark.parametrize("key", [None, True, 1.5, b"a", ["a"], "", "a\0b", "x" * 1001, "\ud800"])
def test_everything_else_is_refused_with_what_was_expected(key: object) -> None:
    with pytest.raises(InvalidPartitionKey, match=r"Mailer\.customer returned .*: (return|a key)"):
        key_text("Mailer.customer", key)


def test_the_digest_changes_with_the_code_of_a_key_and_not_with_its_surroundings() -> None:
    class First(EventHandler):
        @handle
        async def paid(self, event: Paid, context: Context) -> None: ...

        @partition
        def customer(self, event: Paid) -> str:
            """Whose it is."""
            return event.customer.lower()

    class Same(EventHandler):
        # Further down, and with other comments.
        @partition
        def customer(self, event: Paid) -> str:
            """To whom it belongs."""

            return event.customer.lower()

        @handle
        async def was_paid(self, event: Paid, context: Context) -> None: ...

    class Other(EventHandler):
        @handle
        async def paid(self, event: Paid, context: Context) -> None: ...

        @partition
        def customer(self, event: Paid) -> str:
            return event.customer.upper()

    class Streams(EventHandler):
        @handle
        async def paid(self, event: Paid, context: Context) -> None: ...

    assert keyed_by(First) == keyed_by(Same)
    assert len({keyed_by(First), keyed_by(Other), keyed_by(Streams)}) == 3
    assert keyed_by(Streams) == "stream"


SCRIPT = """
from chekov import Context, Event, EventHandler, handle, partition

class Paid(Event):
    customer: str

class ByCustomer(EventHandler):
    @handle
    async def paid(self, event: Paid, context: Context) -> None: ...

    @partition
    def customer(self, event: Paid) -> str:
        return "big" if event.customer in {"anna", "bert", "carl", "dora"} else event.customer

print(ByCustomer.__chekov__.keyed_by)
"""


def test_every_process_has_the_same_digest_of_the_same_code() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(digests) == 1
