"""Master keys, which wrap all other keys, from files such as a mounted Secret of Kubernetes.

The keys in the database are then useless without them, also to readers of its backups.
"""

import base64
import hashlib
from binascii import Error as NotBase64
from pathlib import Path
from typing import Final
from uuid import UUID

from chekov.errors import KeyUnusable
from chekov.store.sealing.cipher import NONCE_BYTES, SECRET_BYTES, TAG_BYTES, Cipher, Tampered

_NAME_BYTES: Final = 8
_WRAPPED_BYTES: Final = _NAME_BYTES + NONCE_BYTES + SECRET_BYTES + TAG_BYTES
_LARGEST_FILE: Final = 4096


class MasterKeys:
    """Wraps keys with the newest master key, and unwraps those that any of them wrapped.

    Args:
        path: a file with one master key, or a folder of such files; the last by name is the newest.
            A key is 32 random bytes, raw or in Base64. With `None`, keys are stored unwrapped.

    Raises:
        KeyUnusable: there is no file, or one holds something other than a key.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._ciphers: dict[bytes, Cipher] = {}
        self._newest = b""
        self._read()

    def wrap(self, id_: UUID, subject: str, secret: bytes) -> bytes:
        """A key as it is stored."""
        if not self._newest:
            return secret
        return self._newest + self._ciphers[self._newest].seal(secret, _bound_to(id_, subject))

    def unwrap(self, id_: UUID, subject: str, stored: bytes) -> bytes:
        """The secret of a stored key, also of one stored before there was a master key.

        Raises:
            KeyUnusable: it was wrapped with another master key, for another subject, or changed.
        """
        if len(stored) == SECRET_BYTES:
            return stored
        if len(stored) != _WRAPPED_BYTES:
            raise KeyUnusable(f"key {id_} has {len(stored)} bytes, which no key has")
        name = stored[:_NAME_BYTES]
        if name not in self._ciphers:
            # A new master key may have been mounted.
            self._read()
        cipher = self._ciphers.get(name)
        if cipher is None:
            known = ", ".join(item.hex() for item in self._ciphers) or "none"
            raise KeyUnusable(
                f"key {id_} is wrapped with the master key {name.hex()}, which is not among those "
                f"that CHEKOV_MASTER_KEY_FILE gives: {known}"
            )
        try:
            return cipher.open(stored[_NAME_BYTES:], _bound_to(id_, subject))
        except Tampered as error:
            raise KeyUnusable(f"key {id_} cannot be unwrapped: {error}") from error

    def _read(self) -> None:
        if self._path is None:
            return
        secrets = [_secret(file) for file in _files(self._path)]
        if not secrets:
            raise KeyUnusable(f"{self._path} holds no master key")
        self._ciphers = {_name(secret): Cipher(secret) for secret in secrets}
        self._newest = _name(secrets[-1])


def _files(path: Path) -> list[Path]:
    """The files of keys, in order, without those of Kubernetes, whose names start with a dot."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if not file.name.startswith("."))


def _secret(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_FILE)
    except OSError as error:
        raise KeyUnusable(f"the master key cannot be read: {error.strerror}") from error
    if len(content) == SECRET_BYTES:
        return content
    try:
        secret = base64.b64decode(content.strip(), validate=True)
    except NotBase64:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise KeyUnusable(
            f"{file} is not a master key: expected {SECRET_BYTES} random bytes, raw or in Base64, "
            "as `openssl rand -base64 32` makes them"
        )
    return secret


def _name(secret: bytes) -> bytes:
    """Identifies a master key without revealing it."""
    return hashlib.sha256(b"chekov master key" + secret).digest()[:_NAME_BYTES]


def _bound_to(id_: UUID, subject: str) -> bytes:
    return id_.bytes + subject.encode()
