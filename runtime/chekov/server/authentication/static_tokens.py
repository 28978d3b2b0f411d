"""Bearer tokens from mounted files."""

import hashlib
import logging
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from chekov.domain.principal import Principal
from chekov.errors import ChekovError
from chekov.server.file_watch import files_at

SHORTEST_TOKEN: Final = 16

_UNUSABLE: Final = (
    f"is not a token: expected {SHORTEST_TOKEN} or more ASCII characters without spaces, for "
    "example from `openssl rand -hex 32`"
)

_log: Final = logging.getLogger(__name__)


class UnusableTokens(ChekovError):
    """Files with tokens cannot be used; says which, and why."""


class StaticTokens:
    """The tokens in a file or a folder of files, such as a mounted Secret.

    A file is named as the subject of its tokens, one in each line: two while they are rotated.
    Tokens are found by a digest under a key that only this process knows, so that the time which
    that takes says nothing about any of them.

    Args:
        path: the file or folder.

    Raises:
        UnusableTokens: it holds no token, or one that is too short, or one of two subjects.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._key = secrets.token_bytes(32)
        self._principals: Mapping[bytes, Principal] = {}
        faults = self._read()
        if not self._principals:
            faults.append(
                f"{path}: there is no token: expected a file named as a subject, or a folder of "
                "such files, with a token in each line"
            )
        if faults:
            raise UnusableTokens("\n".join(faults))

    def reload(self) -> None:
        """Read the files again: exactly the usable tokens in them are accepted from now on.

        Raises:
            UnusableTokens: they cannot be read, and what was read before stays in use.
        """
        for fault in self._read():
            _log.error("a token is left out: %s", fault)

    def _read(self) -> list[str]:
        """Take over the tokens, and return what is wrong with others."""
        found: dict[bytes, Principal] = {}
        faults: list[str] = []
        try:
            for file in files_at(self.path):
                principal = Principal(file.name, {})
                for number, token in enumerate(_lines(file), 1):
                    owner = found.setdefault(self._digest(token), principal)
                    if not _usable(token):
                        faults.append(f"{file}: line {number} {_UNUSABLE}")
                        del found[self._digest(token)]
                    elif owner is not principal:
                        faults.append(f"{file}: line {number} is also a token of {owner.subject!r}")
        except OSError as error:
            raise UnusableTokens(f"{self.path} cannot be read: {error}") from error
        self._principals = found
        return faults

    def principal(self, token: str) -> Principal | None:
        """Whose token it is; `None` if it is none of these."""
        return self._principals.get(self._digest(token))

    def _digest(self, token: str) -> bytes:
        return hashlib.blake2b(token.encode("utf-8", "surrogateescape"), key=self._key).digest()


def _usable(token: str) -> bool:
    return len(token) >= SHORTEST_TOKEN and token.isascii() and not any(map(str.isspace, token))


def _lines(file: Path) -> list[str]:
    # What is not UTF-8 makes lines that are no tokens, and keeps no removed token in use.
    text = file.read_text("utf-8", errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]
