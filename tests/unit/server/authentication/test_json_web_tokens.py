"""Which JSON Web Tokens are accepted: by signature, algorithm, issuer, audience and time."""

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chekov.server.authentication.json_web_tokens import InvalidToken, JsonWebTokens
from chekov.server.authentication.key_set import KeySetFile, UnusableKeys
from tests.unit.server.authentication.issuer import (
    AUDIENCE,
    EC,
    ED,
    ISSUER,
    OTHER_RSA,
    RSA,
    RSA_PEM,
    claims,
    forged,
    key_set,
    public,
    token,
)
from tests.waiting import until


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "jwks.json"
    file.write_bytes(key_set(rsa=RSA, ec=EC, ed=ED))
    return file


@pytest.fixture
def tokens(keys: Path) -> JsonWebTokens:
    return JsonWebTokens(ISSUER, AUDIENCE, KeySetFile(keys), leeway=10)


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [
        (RSA, "RS256", "rsa"),
        (RSA, "RS512", "rsa"),
        (RSA, "PS256", "rsa"),
        (EC, "ES256", "ec"),
        (ED, "EdDSA", "ed"),
    ],
    ids=["RS256", "RS512", "PS256", "ES256", "EdDSA"],
)
async def test_a_token_gives_its_subject_and_claims(
    tokens: JsonWebTokens, key: Any, algorithm: str, kid: str
) -> None:
    given = token(key, algorithm, kid, scope="open close")
    principal = await tokens.principal(given)
    assert principal.subject == "ada"
    assert principal.claims["iss"] == ISSUER
    assert principal.scopes == {"open", "close"}
    assert await tokens.principal(given) is principal


async def test_audiences_may_be_several_and_clocks_may_differ_a_little(
    tokens: JsonWebTokens,
) -> None:
    now = time.time()
    cases: list[dict[str, Any]] = [
        {"aud": ["other", AUDIENCE]},
        {"exp": now - 5},
        {"nbf": now + 5},
        {"exp": int(now + 100)},
    ]
    for changed in cases:
        assert (await tokens.principal(token(**changed))).subject == "ada"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"exp": 1}, "has expired"),
        ({"nbf": 32503680000}, "not valid yet"),
        ({"aud": "another"}, "another audience"),
        ({"aud": ["another"]}, "another audience"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": ISSUER + "/"}, "another issuer"),
        ({"exp": None}, "no 'exp'"),
        ({"sub": None}, "no 'sub'"),
        ({"aud": None}, "no 'aud'"),
        ({"iss": None}, "no 'iss'"),
        ({"sub": ""}, "'sub' is empty"),
        ({"exp": "soon"}, "not valid"),
        ({"exp": [1]}, "not valid"),
        ({"sub": 7}, "not valid"),
    ],
    ids=str,
)
async def test_a_token_that_says_something_else_is_refused(
    tokens: JsonWebTokens, changed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidToken, match=reason):
        await tokens.principal(token(**changed))


async def test_another_key_s_signature_is_refused(tokens: JsonWebTokens) -> None:
    with pytest.raises(InvalidToken, match="signature is wrong"):
        await tokens.principal(token(OTHER_RSA))
    head, body, signature = token().split(".")
    for changed in (
        f"{head}.{body}.{signature[:-8]}AAAAAAAA",
        f"{head}.{token(sub='eve').split('.')[1]}.{signature}",
        f"{head}.{body}.",
    ):
        with pytest.raises(InvalidToken, match=r"wrong|not valid"):
            await tokens.principal(changed)
    with pytest.raises(InvalidToken, match="no key of the issuer"):
        await tokens.principal(token(kid="unknown"))
    with pytest.raises(InvalidToken, match="no key of the issuer"):
        await tokens.principal(token(kid=None))


@pytest.mark.parametrize(
    "secret", [None, b"", RSA_PEM, RSA_PEM.strip(), json.dumps(public(RSA)).encode()]
)
@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "HS512", "RS256", "ES256", ""])
@pytest.mark.parametrize("kid", ["rsa", "ec", "ed"])
async def test_no_token_chooses_how_it_is_verified(
    tokens: JsonWebTokens, secret: bytes | None, algorithm: str, kid: str
) -> None:
    with pytest.raises(InvalidToken):
        await tokens.principal(forged({"alg": algorithm, "typ": "JWT", "kid": kid}, secret))


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": public(OTHER_RSA)},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/chain.pem"},
    ],
    ids=str,
)
async def test_no_token_brings_its_own_key(tokens: JsonWebTokens, header: dict[str, Any]) -> None:
    given = jwt.encode(claims(), OTHER_RSA, algorithm="RS256", headers={"kid": "rsa", **header})
    with pytest.raises(InvalidToken, match="signature is wrong"):
        await tokens.principal(given)


async def test_what_a_token_requires_and_nobody_understands_is_not_ignored(
    tokens: JsonWebTokens,
) -> None:
    given = jwt.encode(
        claims(), RSA, algorithm="RS256", headers={"kid": "rsa", "crit": ["exp-2"], "exp-2": 1}
    )
    with pytest.raises(InvalidToken, match=r"not valid|neither known"):
        await tokens.principal(given)


@given(text=st.text(max_size=300))
@example(text="..")
@example(text="a.b.c")
@example(text="e30.e30.e30")
@example(text="eyJhbGciOjF9.e30.")
@example(text="x" * 9000)
async def test_any_other_text_is_refused(text: str, keys: Path) -> None:
    tokens = JsonWebTokens(ISSUER, AUDIENCE, KeySetFile(keys), leeway=10)
    with pytest.raises(InvalidToken):
        await tokens.principal(text)


async def test_a_token_is_refused_once_its_time_is_over(tokens: JsonWebTokens) -> None:
    given = token(exp=time.time() - 9)
    assert (await tokens.principal(given)).subject == "ada"

    async def refused() -> bool:
        try:
            await tokens.principal(given)
        except InvalidToken as error:
            return "has expired" in str(error)
        return False

    await until(refused)


async def test_a_token_is_refused_once_its_key_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(key_set(rsa=RSA))
    key_file = KeySetFile(file)
    tokens = JsonWebTokens(ISSUER, AUDIENCE, key_file, leeway=10)
    given = token()
    await tokens.principal(given)
    file.write_bytes(key_set(rsa=OTHER_RSA))
    key_file.reload()
    with pytest.raises(InvalidToken, match="signature is wrong"):
        await tokens.principal(given)
    assert (await tokens.principal(token(OTHER_RSA))).subject == "ada"
    file.write_text("broken")
    with pytest.raises(UnusableKeys):
        key_file.reload()
    assert (await tokens.principal(token(OTHER_RSA))).subject == "ada"


async def test_only_so_many_tokens_are_remembered(
    tokens: JsonWebTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chekov.server.authentication.json_web_tokens._MOST_REMEMBERED", 3)
    given = [token(sub=str(number)) for number in range(5)]
    first = [await tokens.principal(item) for item in given]
    again = [await tokens.principal(item) for item in reversed(given)]
    assert again == list(reversed(first))
    assert again[0] is first[-1]
    assert again[-1] is not first[0]
