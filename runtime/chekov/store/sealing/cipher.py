"""AES-256-GCM: the only module that knows cryptography."""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SECRET_BYTES: Final = 32
"""Length of a key."""

NONCE_BYTES: Final = 12
"""Length of what comes before each ciphertext; random, and never used twice with a key."""

TAG_BYTES: Final = 16
"""Length of what proves at the end of each ciphertext that nothing was changed."""


class Tampered(ValueError):
    """It was encrypted with another key, for another place, or was changed."""

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
        """Encrypt, so that it can be decrypted only together with `bound_to`."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        """Decrypt.

        Raises:
            Tampered: with this key and `bound_to`, it is not what was encrypted.
        """
        if len(sealed) < NONCE_BYTES + TAG_BYTES:
            raise Tampered
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
        except InvalidTag:
            raise Tampered from None


def new_secret() -> bytes:
    """A new key."""
    return os.urandom(SECRET_BYTES)
