from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

from chekov.errors import StreamExists, StreamNotFound, WrongExpectedVersion
from chekov.store.port import Expected, NewEvent
from chekov.store.postgres.append.batch import (
    BATCH_BYTES,
    BATCH_EVENTS,
    Group,
    Pending,
    Place,
    columns,
    payloads,
    placed_columns,
    settle,
    take,
)

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def pending(
    stream: str,
    expected: int = 0,
    events: int = 1,
    size: int = 2,
    *,
    command_id: UUID | None = None,
    metadata: bytes | None = None,
    caused: UUID | None = None,
) -> Pending:
    content = [NewEvent(uuid4(), "t", b"{}", metadata, None, caused) for _ in range(events)]
    return Pending(stream, content, expected, size, command_id)


def event(data: bytes, metadata: bytes | None = None, time: datetime | None = None) -> NewEvent:
    return NewEvent(uuid4(), "t", data, metadata, time=time)


def streams(groups: Sequence[Group]) -> list[list[str]]:
    return [[item.stream for item in group] for group in groups]


async def test_all_queued_appends_are_sent_together() -> None:
    queue = deque([pending("a"), pending("b"), pending("c")])
    assert streams(take(queue, (), 99)) == [["a"], ["b"], ["c"]]
    assert not queue


async def test_a_share_leaves_the_rest_in_order() -> None:
    queue = deque([pending("a"), pending("b"), pending("c")])
    assert streams(take(queue, (), 1)) == [["a"]]
    assert [item.stream for item in queue] == ["b", "c"]


async def test_a_stream_is_sent_once_and_the_rest_stays_in_order() -> None:
    queue = deque([pending("a", 0), pending("a", 1), pending("b"), pending("a", 2)])
    assert streams(take(queue, (), 99)) == [["a"], ["b"]]
    assert [item.expected for item in queue] == [1, 2]


async def test_appends_without_expectations_form_one_group() -> None:
    queue = deque([pending("a", Expected.ANY), pending("b"), pending("a", Expected.ANY)])
    assert streams(take(queue, (), 99)) == [["a", "a"], ["b"]]


async def test_appends_without_expectations_do_not_overtake_others() -> None:
    queue = deque(
        [pending("a", Expected.ANY), pending("a", 5), pending("a", Expected.ANY), pending("b")]
    )
    assert streams(take(queue, (), 99)) == [["a"], ["b"]]
    assert [item.expected for item in queue] == [5, Expected.ANY]


async def test_streams_under_way_wait() -> None:
    queue = deque([pending("a"), pending("b"), pending("a", Expected.ANY)])
    assert streams(take(queue, {"a"}, 99)) == [["b"]]
    assert [item.stream for item in queue] == ["a", "a"]


async def test_a_batch_is_bound_by_events_and_bytes() -> None:
    queue = deque([pending("a", events=BATCH_EVENTS), pending("b")])
    assert streams(take(queue, (), 99)) == [["a"]]
    queue = deque([pending("a", size=BATCH_BYTES), pending("b")])
    assert streams(take(queue, (), 99)) == [["a"]]
    assert len(queue) == 1


async def test_cancelled_appends_are_left_out() -> None:
    gone = pending("a")
    gone.future.cancel()
    queue = deque([gone, pending("b")])
    assert streams(take(queue, (), 99)) == [["b"]]


async def test_columns_hold_one_entry_for_each_event() -> None:
    groups = [[pending("a", 4, events=2)], [pending("b", -1), pending("b", -1, events=2)]]
    found = columns(groups)
    assert found.streams == ["a", "b"]
    assert found.expected == [4, -1]
    assert found.stream == ["a", "a", "b", "b", "b"]
    assert found.append == [1, 1, 2, 2, 2]
    assert found.within == [1, 2, 1, 2, 3]
    assert found.data == ["{}"] * 5
    assert (found.metadata, found.times) == (None, None)


async def test_other_content_than_json_has_its_own_column() -> None:
    assert payloads([b'{"a": 1}', b"{}"]) == (['{"a": 1}', "{}"], None)
    assert payloads([b"{}", b"\x80"]) == (["{}", None], [None, b"\x80"])


async def test_redundant_columns_are_left_out() -> None:
    found = columns([[pending("a")], [pending("b")]])
    assert (found.stream, found.append, found.within) == (None, None, None)
    assert len(found.ids) == 2


async def test_answers_are_contiguous_over_what_was_stored() -> None:
    first, refused, second, third = (pending(name, events=2) for name in "abcc")
    recorded, conflicts = settle([[first], [refused], [second, third]], 10, NOW, [0, -4, 7], {})
    assert [item.position for item in recorded] == [11, 12, 13, 14, 15, 16]
    assert [item.version for item in recorded] == [1, 2, 8, 9, 10, 11]
    [(conflicting, error)] = conflicts
    assert (conflicting, type(error)) == (refused, StreamExists)
    assert not refused.future.done()
    assert second.future.result().recorded == recorded[2:4]
    assert (third.future.result().version, third.future.result().position) == (11, 16)


async def test_the_error_of_a_conflict_depends_on_the_expectation() -> None:
    exact, exists = pending("a", 3), pending("a", Expected.STREAM_EXISTS)
    wrong = exact.refusal(-8)
    assert isinstance(wrong, WrongExpectedVersion)
    assert "expected version 3, found version 5" in str(wrong)
    assert isinstance(exists.refusal(-3), StreamNotFound)


async def test_events_have_the_versions_of_their_places() -> None:
    one = Pending("a", [event(b'{"n":1}', metadata=b'{"m":1}'), event(b"\x01")], 3, 9)
    two = Pending("b", [event(b"{}", time=NOW)], 1, 2)
    streams, versions, ids, types, *rest = placed_columns([Place(one, 10, 3), Place(two, 12, 1)])
    assert (streams, versions) == (["a", "a", "b"], [4, 5, 2])
    assert ids == tuple(event.id for event in (*one.events, *two.events))
    assert types == ("t", "t", "t")
    assert rest == [
        ['{"n":1}', None, "{}"],
        [None, b"\x01", None],
        ['{"m":1}', None, None],
        None,
        None,
        (None, None, NOW),
    ]


async def test_unused_columns_are_not_sent() -> None:
    sent = columns([[pending("a", 1)]])
    assert (sent.contents, sent.metadata, sent.times) == (None, None, None)
    assert (sent.correlation_ids, sent.causation_ids) == (None, None)


async def test_a_command_is_once_in_a_statement() -> None:
    command = uuid4()
    queue = deque(
        [
            pending("a", command_id=command),
            pending("b", command_id=command),
            pending("b"),
            pending("c"),
        ]
    )
    assert streams(take(queue, (), 99)) == [["a"], ["c"]]
    assert streams(take(queue, (), 99)) == [["b"]]
    assert streams(take(queue, (), 99)) == [["b"]]


async def test_a_command_id_waits_for_events_it_caused() -> None:
    command = uuid4()
    queue = deque([pending("a", caused=command), pending("b", command_id=command), pending("c")])
    assert streams(take(queue, (), 99)) == [["a"], ["c"]]
    assert streams(take(queue, (), 99)) == [["b"]]


async def test_metadata_of_no_bytes_is_sent_to_be_refused() -> None:
    assert columns([[pending("a", events=2, metadata=b"")]]).metadata == ["", ""]
