"""`ProjectionSpec`: given events, what queries answer."""

import asyncpg
import pytest

from chekov import Connection, Event, Projection, Transaction, handle, query
from chekov.errors import ConsistencyTimeout, DefinitionError, InvalidArgument, UnknownQuery
from chekov.testing import ProjectionSpec


class Scored(Event):
    player: str
    points: list[int]


class Cheated(Event):
    player: str


class Missed(Event):
    player: str


class Scores(Projection, name="scores"):
    tables = "create table scores (player text primary key, points integer, stream text)"

    @handle
    async def scored(self, event: Scored, transaction: Transaction) -> None:
        await transaction.execute(
            "insert into scores values ($1, $2, $3) on conflict (player)"
            " do update set points = scores.points + $2, stream = $3",
            event.player,
            sum(event.points),
            transaction.stream,
        )

    @handle
    async def cheated(self, event: Cheated, transaction: Transaction) -> None:
        raise ValueError(f"{event.player} cheats")

    @query
    async def points(self, connection: Connection, player: str) -> int | None:
        return await connection.fetchval("select points from scores where player = $1", player)

    @query
    async def streams(self, connection: Connection) -> list[str]:
        rows = await connection.fetch("select stream from scores order by player")
        return [row["stream"] for row in rows]


class StrictScores(Scores, name="scores", on_failure="stop"):
    pass


async def test_a_query_answers_by_what_was_given(empty_dsn: str) -> None:
    spec = ProjectionSpec(Scores(), empty_dsn).given(Scored(player="ada", points=[1, 2]))
    assert await spec.query("points", player="ada") == 3
    assert await spec.query("points", player="bob") is None
    more = spec.given(Scored(player="ada", points=[4]), Scored(player="bob", points=[]))
    assert await more.query("points", player="ada") == 7
    assert await spec.query("points", player="ada") == 3


async def test_it_answers_before_the_first_event(empty_dsn: str) -> None:
    assert await ProjectionSpec(Scores(), empty_dsn).query("streams") == []


async def test_events_keep_their_streams_and_what_they_were_when_they_were_given(
    empty_dsn: str,
) -> None:
    event = Scored(player="ada", points=[1])
    spec = ProjectionSpec(Scores(), empty_dsn).given(event, stream="game-1")
    event.points.append(9)
    assert await spec.query("points", player="ada") == 1
    spec = spec.given(Scored(player="bob", points=[1]), stream="game-2")
    assert await spec.query("streams") == ["game-1", "game-2"]


async def test_nothing_is_left_in_the_database(empty_dsn: str) -> None:
    spec = ProjectionSpec(Scores(), empty_dsn).given(Scored(player="ada", points=[1]))
    await spec.query("points", player="ada")
    with pytest.raises(AssertionError):
        await spec.given(Cheated(player="ada")).query("points", player="ada")
    with pytest.raises(UnknownQuery, match="scores/point"):
        await spec.query("point")
    with pytest.raises(InvalidArgument, match="'player' is missing"):
        await spec.query("points")
    connection = await asyncpg.connect(empty_dsn)
    try:
        left = "select nspname from pg_namespace where nspname like 'temporary%'"
        assert await connection.fetch(left) == []
    finally:
        await connection.close()


@pytest.mark.parametrize("projection", [Scores(), StrictScores()])
async def test_a_projection_that_fails_is_named_with_the_event_and_the_error(
    projection: Projection, empty_dsn: str
) -> None:
    spec = ProjectionSpec(projection, empty_dsn).given(Cheated(player="eve"))
    with pytest.raises(AssertionError, match=r"Scores failed.*(?s:.)*ValueError: eve cheats"):
        await spec.query("streams", timeout=2)
    later = spec.given(Scored(player="ada", points=[1]))
    with pytest.raises(AssertionError, match="eve cheats"):
        await later.query("streams", timeout=2)


async def test_a_projection_that_takes_too_long_is_not_waited_for(empty_dsn: str) -> None:
    spec = ProjectionSpec(Scores(), empty_dsn).given(Scored(player="ada", points=[1]))
    with pytest.raises(ConsistencyTimeout):
        await spec.query("streams", timeout=0.0)


def test_it_takes_only_events_that_the_projection_handles() -> None:
    with pytest.raises(AssertionError, match="Scores does not take Missed"):
        ProjectionSpec(Scores(), "postgresql://nowhere").given(Missed(player="ada"))


def test_every_fault_of_the_projection_is_listed() -> None:
    class Idle(Projection, name="idle"):
        tables = ""

    with pytest.raises(DefinitionError, match="Idle needs `tables`"):
        ProjectionSpec(Idle(), "postgresql://nowhere")
