"""Bearer tokens that are JSON Web Tokens (JWT, RFC 7519), signed by an identity provider."""

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import jwt

from chekov.domain.principal import Principal
from chekov.errors import ChekovError, InvalidArgument
from chekov.server.authentication.key_set import KeySet

_MOST_REMEMBERED: Final = 1000
_REMEMBERED_SECONDS: Final = 60.0
_LARGEST_TOKEN: Final = 8000


class InvalidToken(ChekovError):
    """A token is not accepted; says why, without showing it."""


class _Verified(NamedTuple):
    """A token that was verified.

    Attributes:
        principal: whose it is.
        until: when it has to be verified again, in seconds since 1970.
    """

    principal: Principal
    until: float


class JsonWebTokens:
    """Verifies the signature, issuer, audience, and times of tokens.

    A token needs `exp`, `sub`, `iss` and `aud`. One that was verified is remembered for a minute at
    most: the check of a signature takes as long as half a command.

    Args:
        issuer: what `iss` has to be.
        audience: what `aud` has to be or contain.
        keys: verify signatures.
        leeway: seconds by which the clocks of the issuer and of this process may differ.
    """

    def __init__(self, issuer: str, audience: str, keys: KeySet, leeway: float) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._leeway = leeway
        self._verified: dict[str, _Verified] = {}
        self._revision = keys.revision

    async def principal(self, token: str) -> Principal:
        """Whose token it is.

        Raises:
            InvalidToken: it is not accepted.
            UnusableKeys: there are no keys to verify it with yet.
        """
        if self._revision != self._keys.revision:
            self._revision = self._keys.revision
            self._verified.clear()
        now = time.time()
        verified = self._verified.get(token)
        if verified is not None and now < verified.until:
            return verified.principal
        claims = await self._claims(token)
        try:
            principal = Principal(claims["sub"], claims)
        except InvalidArgument as error:
            raise InvalidToken("the token's 'sub' is empty") from error
        self._remember(token, principal, now, float(claims["exp"]) + self._leeway)
        return principal

    async def _claims(self, token: str) -> Mapping[str, Any]:
        if len(token) > _LARGEST_TOKEN:
            raise InvalidToken(f"the token is longer than {_LARGEST_TOKEN} characters")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise InvalidToken("the token is neither known nor a JSON Web Token") from error
        key = await self._keys.key(header.get("kid"))
        if key is None:
            raise InvalidToken("no key of the issuer has the id that the token names")
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=key.algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise InvalidToken(_reason(error)) from error

    def _remember(self, token: str, principal: Principal, now: float, end: float) -> None:
        if len(self._verified) >= _MOST_REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = _Verified(principal, min(now + _REMEMBERED_SECONDS, end))


def _reason(error: jwt.PyJWTError) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "the token has expired"
        case jwt.ImmatureSignatureError():
            return "the token is not valid yet"
        case jwt.InvalidAudienceError():
            return "the token is for another audience"
        case jwt.InvalidIssuerError():
            return "the token is from another issuer"
        case jwt.InvalidAlgorithmError():
            return "the token's algorithm is not one of its key"
        case jwt.MissingRequiredClaimError():
            return f"the token has no {error.claim!r}"
        case jwt.InvalidSignatureError():
            return "the token's signature is wrong"
        case _:
            return "the token is not valid"
