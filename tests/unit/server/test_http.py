"""Each path has its methods; anything else is a problem."""

import pytest

from tests.unit.server.conftest import ID, Serving, fill, slug


async def test_a_wrong_path_is_a_problem(serving: Serving) -> None:
    async with serving() as server:
        assert await slug(await server.api.get("/nowhere")) == (404, "not-found")
        assert await slug(await server.api.get("/queries/none/such")) == (404, "not-found")


async def test_the_response_to_a_wrong_method_lists_the_right_ones(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.get("/commands/OpenAccount")
        assert await slug(response) == (405, "method-not-allowed")
        assert response.headers["Allow"] == "OPTIONS, POST"
        response = await server.api.delete("/events")
        assert response.status == 405
        assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_head_requests_are_answered_without_a_body(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        response = await server.api.head(f"/aggregates/account/{ID}")
        assert response.status == 200
        assert response.headers["ETag"] == '"4"'
        assert await response.read() == b""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/commands/OpenAccount", "OPTIONS, POST"),
        ("/commands", "OPTIONS, POST"),
        ("/events", "GET, HEAD, OPTIONS"),
        ("/streams/account-1", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
    ],
)
async def test_every_address_lists_its_methods(serving: Serving, path: str, allowed: str) -> None:
    async with serving() as server:
        response = await server.api.options(path)
        assert (response.status, response.headers["Allow"]) == (204, allowed)
        assert await slug(await server.api.options("/nowhere")) == (404, "not-found")


async def test_the_management_port_lists_methods_and_answers_problems(serving: Serving) -> None:
    async with serving() as server:
        response = await server.management.options("/subscriptions/welcome/pause")
        assert (response.status, response.headers["Allow"]) == (204, "OPTIONS, POST")
        assert (await server.management.options("/readyz")).headers["Allow"] == "GET, HEAD, OPTIONS"
        assert (await server.management.head("/readyz")).status == 200
        assert await slug(await server.management.get("/nowhere")) == (404, "not-found")
        response = await server.management.delete("/readyz")
        assert await slug(response) == (405, "method-not-allowed")
