"""Key sets: which keys are usable, and how they are fetched and rotated."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chekov.server.authentication.key_set import KeySetFile, KeySetUrl, UnusableKeys, parse
from tests.unit.server.authentication.issuer import EC, ED, OTHER_RSA, RSA, key_set, public
from tests.waiting import until


def test_algorithms_follow_from_the_key() -> None:
    found = parse(key_set(rsa=RSA, ec=EC, ed=ED))
    assert {kid: key.algorithms for kid, key in found.items()} == {
        "rsa": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
        "ec": ("ES256",),
        "ed": ("EdDSA",),
    }
    declared = {"keys": [{**public(RSA), "kid": "a", "alg": "PS256"}]}
    assert parse(json.dumps(declared).encode())["a"].algorithms == ("PS256",)


def test_secrets_and_keys_for_encryption_are_left_out() -> None:
    secret: dict[str, object] = {
        "kty": "oct",
        "k": base64.urlsafe_b64encode(b"secret" * 8).decode(),
        "kid": "a",
    }
    others: list[dict[str, object]] = [
        secret,
        {**public(RSA), "kid": "b", "use": "enc"},
        {**public(RSA), "kid": "c", "alg": "HS256"},
        {**public(RSA), "kid": "d", "alg": "RSA-OAEP"},
        {**public(RSA), "kid": "e", "n": "!"},
        {"kty": "EC", "crv": "P-999", "kid": "f"},
        {"kid": "g"},
        {**public(RSA), "kid": ["i"]},
        {**public(RSA), "kid": {}},
        {**public(RSA), "kid": "j", "n": []},
    ]
    assert set(parse(json.dumps({"keys": [*others, public(EC) | {"kid": "h"}]}).encode())) == {"h"}
    with pytest.raises(UnusableKeys, match="no usable key"):
        parse(json.dumps({"keys": others}).encode())


@pytest.mark.parametrize(
    "document",
    [b"", b"{}", b"[]", b'{"keys": 1}', b'{"keys": [1]}', b"\xff", b'{"keys": ' + b"[" * 200_000],
    ids=lambda document: document[:12],
)
def test_anything_else_is_not_a_key_set(document: bytes) -> None:
    with pytest.raises(UnusableKeys, match=r"expected a JSON Web Key Set|no usable key"):
        parse(document)


async def test_a_token_without_a_key_id_goes_with_the_only_key(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(json.dumps({"keys": [public(EC)]}).encode())
    keys = KeySetFile(file)
    assert await keys.key(None) is not None
    file.write_bytes(key_set(a=RSA, b=EC))
    keys.reload()
    assert await keys.key(None) is None


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(UnusableKeys, match="No such file"):
        KeySetFile(tmp_path / "missing")


@dataclass
class Issuer:
    """Serves a key set, and counts how often."""

    document: bytes = b""
    status: int = 200
    fetched: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])

    async def get(self, _: web.Request) -> web.Response:
        self.fetched += 1
        return web.Response(body=self.document, status=self.status, headers=self.headers)


@asynccontextmanager
async def following(issuer: Issuer, pause: float = 0.01) -> AsyncGenerator[KeySetUrl]:
    app = web.Application()
    app.router.add_get("/keys", issuer.get)
    async with TestServer(app) as server:
        keys = KeySetUrl(str(server.make_url("/keys")), pause)
        task = asyncio.create_task(keys.run())
        try:
            async with asyncio.timeout(240):
                yield keys
        finally:
            task.cancel()


async def test_keys_are_fetched_before_the_first_token_is_verified() -> None:
    async with following(Issuer(key_set(a=RSA))) as keys:
        assert await keys.key("a") is not None
        assert keys.revision == 1


async def test_a_new_key_is_found_once_a_token_names_it() -> None:
    issuer = Issuer(key_set(a=RSA))
    async with following(issuer) as keys:
        await keys.key("a")
        issuer.document = key_set(a=RSA, b=OTHER_RSA)

        async def found() -> bool:
            return await keys.key("b") is not None

        await until(found)
        assert keys.revision == 2
        assert await keys.key("a") is not None


async def test_tokens_with_unknown_keys_do_not_flood_the_issuer() -> None:
    issuer = Issuer(key_set(a=RSA))
    async with following(issuer, pause=3600) as keys:
        await keys.key("a")
        for number in range(100):
            assert await keys.key(f"unknown-{number}") is None
    assert issuer.fetched == 1


async def test_keys_stay_in_use_while_the_issuer_does_not_answer() -> None:
    issuer = Issuer(key_set(a=RSA))
    async with following(issuer) as keys:
        await keys.key("a")
        for issuer.status, issuer.document in (
            (500, b""),
            (200, b"broken"),
            (200, b" " * 300_000),
            (200, b"[" * 200_000),
            (200, json.dumps({"keys": [{**public(RSA), "kid": []}]}).encode()),
        ):
            enough = issuer.fetched + 2

            async def fetched(enough: int = enough) -> bool:
                assert await keys.key("unknown") is None
                return issuer.fetched >= enough

            await until(fetched)
            assert await keys.key("a") is not None


async def test_without_keys_no_token_can_be_verified(caplog: pytest.LogCaptureFixture) -> None:
    issuer = Issuer(status=302, headers={"Location": "https://evil.example/keys"})
    async with following(issuer, pause=3600) as keys:
        with pytest.raises(UnusableKeys, match="has not answered with keys yet"):
            await keys.key("a")
    assert "cannot be fetched" in caplog.text
