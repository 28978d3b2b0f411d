"""The public keys that verify JSON Web Tokens (JWKS, RFC 7517): from a file, or from a URL."""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, cast

import aiohttp
import jwt

from chekov.backoff import Backoff
from chekov.errors import ChekovError

_REFRESH_SECONDS: Final = 300.0
_PAUSE_SECONDS: Final = 10.0
_LONGEST_PAUSE: Final = 60.0
_FETCH_SECONDS: Final = 5.0
_LARGEST_DOCUMENT: Final = 256 * 1024

_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",)}

_log: Final = logging.getLogger(__name__)


class UnusableKeys(ChekovError):
    """A key set cannot be read, or holds no key that verifies tokens."""


class VerifyingKey(NamedTuple):
    """A public key, and the algorithms that it may be used with.

    The algorithms follow from the key, never from a token: so no token can have a public key used
    as a secret, or have its signature left out.
    """

    key: Any
    algorithms: Sequence[str]


class KeySet(Protocol):
    """Finds keys by their ids."""

    revision: int
    """Grows whenever the keys change."""

    async def key(self, kid: str | None) -> VerifyingKey | None:
        """The key with an id, or the only key if a token names none.

        Raises:
            UnusableKeys: there are no keys yet.
        """
        ...


class KeySetFile:
    """The keys in a file.

    Raises:
        UnusableKeys: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.revision = 0
        self._keys = self._read()

    def reload(self) -> None:
        """Read it again.

        Raises:
            UnusableKeys: it cannot be read; the keys before stay in use.
        """
        self._keys = self._read()
        self.revision += 1

    async def key(self, kid: str | None) -> VerifyingKey | None:
        return _chosen(self._keys, kid)

    def _read(self) -> Mapping[str | None, VerifyingKey]:
        try:
            return parse(self.path.read_bytes())
        except OSError as error:
            raise UnusableKeys(f"{self.path} cannot be read: {error.strerror}") from error
        except UnusableKeys as error:
            raise UnusableKeys(f"{self.path}: {error}") from error


class KeySetUrl:
    """The keys at a URL, fetched every five minutes, and soon after a token names an unknown one.

    Keys that were fetched stay in use while the URL does not answer.

    Args:
        url: an `https` address.
        pause: seconds from one fetch to the next at least, however many tokens name unknown keys.
    """

    def __init__(self, url: str, pause: float = _PAUSE_SECONDS) -> None:
        self.url = url
        self.revision = 0
        self._pause = pause
        self._keys: Mapping[str | None, VerifyingKey] | None = None
        self._document = b""
        self._wanted = asyncio.Event()
        self._fetched = asyncio.Event()
        self._next_fetch = 0.0

    async def key(self, kid: str | None) -> VerifyingKey | None:
        found = None if self._keys is None else _chosen(self._keys, kid)
        if found is None and asyncio.get_running_loop().time() >= self._next_fetch:
            fetched = self._fetched
            self._wanted.set()
            try:
                async with asyncio.timeout(_FETCH_SECONDS):
                    await fetched.wait()
            except TimeoutError:
                pass
            found = None if self._keys is None else _chosen(self._keys, kid)
        if self._keys is None:
            raise UnusableKeys(f"{self.url} has not answered with keys yet")
        return found

    async def run(self) -> None:
        """Fetch the keys until cancelled."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(self._pause, _LONGEST_PAUSE)
        while True:
            self._wanted.clear()
            try:
                self._take(await self._fetch())
                backoff.reset()
                wait = _REFRESH_SECONDS
            except Exception as error:  # noqa: BLE001 -- whatever the URL answers, ask it again
                wait = backoff.next()
                _log.warning(
                    "the keys that verify tokens cannot be fetched",
                    extra={"url": self.url, "error": f"{type(error).__name__}: {error}"},
                )
            self._next_fetch = loop.time() + self._pause
            self._fetched.set()
            self._fetched = asyncio.Event()
            await asyncio.sleep(self._pause)
            try:
                async with asyncio.timeout(max(wait - self._pause, 0)):
                    await self._wanted.wait()
            except TimeoutError:
                pass

    async def _fetch(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(self.url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise UnusableKeys(f"it answered with status {response.status}, expected 200")
            document = await response.content.read(_LARGEST_DOCUMENT + 1)
            while chunk := await response.content.read(_LARGEST_DOCUMENT):
                document += chunk
                if len(document) > _LARGEST_DOCUMENT:
                    break
            if len(document) > _LARGEST_DOCUMENT:
                raise UnusableKeys(f"it has more than {_LARGEST_DOCUMENT} bytes")
            return document

    def _take(self, document: bytes) -> None:
        if document != self._document:
            self._keys = parse(document)
            self._document = document
            self.revision += 1


def parse(document: bytes) -> Mapping[str | None, VerifyingKey]:
    """The usable keys of a set by id: those of RSA, elliptic curves and Ed25519 for signatures.

    Raises:
        UnusableKeys: it is not a key set, or none of its keys is usable.
    """
    try:
        given = json.loads(document)["keys"]
        items = [cast("dict[str, Any]", dict(item)) for item in given]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnusableKeys('expected a JSON Web Key Set: {"keys": […]}') from error
    found: dict[str | None, VerifyingKey] = {}
    for item in items:
        algorithms = _algorithms(item)
        kid = item.get("kid")
        if not algorithms or not isinstance(kid, str | None):
            continue
        try:
            key = jwt.PyJWK(item, algorithms[0]).key
        except Exception as error:  # noqa: BLE001 -- as many kinds as there are mistakes in keys
            _log.warning("a key of the key set is left out: %s", error)
            continue
        found[kid] = VerifyingKey(_public(key), algorithms)
    if not found:
        raise UnusableKeys(
            "it holds no usable key: expected RSA keys, EC keys or Ed25519 keys for signatures"
        )
    return found


def _algorithms(item: Mapping[str, Any]) -> Sequence[str]:
    """What a key may be used with; nothing for secrets, and for keys that encrypt."""
    if item.get("use", "sig") != "sig":
        return ()
    possible: Sequence[str] = ()
    match item.get("kty"):
        case "RSA":
            possible = _RSA
        case "EC":
            possible = _CURVES.get(str(item.get("crv")), ())
        case "OKP" if item.get("crv") == "Ed25519":
            possible = ("EdDSA",)
        case _:
            return ()
    declared = item.get("alg")
    if declared is None:
        return possible
    return (declared,) if declared in possible else ()


def _public(key: Any) -> Any:
    """The public half, should somebody have published the private one."""
    return key.public_key() if hasattr(key, "public_key") else key


def _chosen(keys: Mapping[str | None, VerifyingKey], kid: str | None) -> VerifyingKey | None:
    if kid is None and len(keys) == 1:
        return next(iter(keys.values()))
    return keys.get(kid)
