"""Each path has its methods; anything else is a problem."""

from tests.unit.server.conftest import ID, Serving, fill, slug


async def test_a_wrong_path_is_a_problem(serving: Serving) -> None:
    async with serving() as server:
        assert await slug(await server.api.get("/nowhere")) == (404, "not-found")
        assert await slug(await server.api.get("/queries/none/such")) == (404, "not-found")


async def test_the_response_to_a_wrong_method_lists_the_right_ones(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.get("/commands/OpenAccount")
        assert await slug(response) == (405, "method-not-allowed")
        assert response.headers["Allow"] == "POST"
        response = await server.api.delete("/events")
        assert response.status == 405
        assert response.headers["Allow"] == "GET, HEAD"


async def test_head_requests_are_answered_without_a_body(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        response = await server.api.head(f"/aggregates/account/{ID}")
        assert response.status == 200
        assert response.headers["ETag"] == '"4"'
        assert await response.read() == b""
