"""Browsers let pages of the origins that the settings name use the API."""

import pytest

from tests.unit.server.conftest import OPEN, Serving, slug

SHOP = "https://shop.example"
ORIGINS = f"{SHOP}, http://localhost:5173"
PREFLIGHT = {
    "Origin": SHOP,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


async def test_without_the_setting_nothing_is_said_to_other_origins(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.get("/streams", headers={"Origin": SHOP})
        assert not any(name.startswith("Access-Control") for name in response.headers)
        assert "Vary" not in response.headers


@pytest.mark.parametrize("origin", [SHOP, "http://localhost:5173"])
async def test_pages_of_an_origin_may_read_answers(serving: Serving, origin: str) -> None:
    async with serving(CHEKOV_CORS_ORIGINS=ORIGINS) as server:
        given = {"Origin": origin}
        for response in (
            await server.api.post("/commands/OpenAccount", json=OPEN, headers=given),
            await server.api.get("/nowhere", headers=given),
            await server.api.post("/commands", data=b"", headers=given),
        ):
            assert response.headers["Access-Control-Allow-Origin"] == origin
            assert response.headers["Vary"] == "Origin"
            assert "ETag" in response.headers["Access-Control-Expose-Headers"]
            assert "Access-Control-Allow-Credentials" not in response.headers


async def test_pages_of_other_origins_may_not(serving: Serving) -> None:
    async with serving(CHEKOV_CORS_ORIGINS=ORIGINS) as server:
        for given in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {}):
            response = await server.api.get("/streams", headers=given)
            assert "Access-Control-Allow-Origin" not in response.headers
            assert response.headers["Vary"] == "Origin"


async def test_a_preflight_needs_no_token_and_lists_methods_and_headers(
    serving: Serving, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tokens = tmp_path_factory.mktemp("tokens") / "ada"
    tokens.write_text("a" * 40)
    async with serving(
        CHEKOV_CORS_ORIGINS=ORIGINS, CHEKOV_AUTH_TOKENS=str(tokens.parent)
    ) as server:
        response = await server.api.options("/commands/OpenAccount", headers=PREFLIGHT)
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == SHOP
        assert response.headers["Access-Control-Allow-Methods"] == "OPTIONS, POST"
        accepted = response.headers["Access-Control-Allow-Headers"].lower()
        assert {"authorization", "content-type", "idempotency-key"} <= set(accepted.split(", "))
        assert response.headers["Access-Control-Max-Age"] == "600"
        evil = {**PREFLIGHT, "Origin": "https://evil.example"}
        response = await server.api.options("/commands/OpenAccount", headers=evil)
        assert "Access-Control-Allow-Methods" not in response.headers
        refused = await server.api.post("/commands/OpenAccount", json=OPEN, headers=PREFLIGHT)
        assert await slug(refused) == (401, "unauthorized")
        assert refused.headers["Access-Control-Allow-Origin"] == SHOP


async def test_all_origins_may_be_allowed(serving: Serving) -> None:
    async with serving(CHEKOV_CORS_ORIGINS="*") as server:
        response = await server.api.get("/streams", headers={"Origin": SHOP})
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Vary" not in response.headers
