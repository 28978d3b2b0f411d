"""AES-256-GCM, by cryptography."""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SECRET_BYTES: Final = 32
"""The length of a key."""

NONCE_BYTES: Final = 12
"""The length of the random nonce before each ciphertext, never used twice with a key."""

TAG_BYTES: Final = 16
"""The length of the authentication tag after each ciphertext."""


class Tampered(ValueError):
    """A value was encrypted with another key or for another place, or was changed."""

    def __init__(self) -> None:
        super().__init__("it was sealed with another key or for another place, or was changed")


class Cipher:
    """Encrypts and decrypts with one key.

    Args:
        secret: the key, of `SECRET_BYTES`.
    """

    __slots__ = ("_cipher",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_BYTES:
            raise Tampered
        self._cipher = AESGCM(secret)

    def seal(self, plain: bytes, bound_to: bytes) -> bytes:
        """Encrypt; decryption needs the same `bound_to`."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        """Decrypt.

        Raises:
            Tampered: another key or another `bound_to` was used, or the value was changed.
        """
        if len(sealed) < NONCE_BYTES + TAG_BYTES:
            raise Tampered
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
        except InvalidTag:
            raise Tampered from None


def new_secret() -> bytes:
    return os.urandom(SECRET_BYTES)
