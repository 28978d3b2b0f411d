"""Who sends a command: authenticated by whatever took it in, such as the HTTP server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from chekov.errors import InvalidArgument

_SCOPE_CLAIMS: Final = ("scope", "scp")
"""RFC 8693 names the first; some issuers, such as Entra ID and Okta, use the second."""


@dataclass(frozen=True, slots=True)
class Principal:
    """On whose behalf something is done.

    Attributes:
        subject: identifies the person or program, not empty; the `sub` of a token.
        claims: what else is known of them, such as the claims of a token. It is not copied.

    Raises:
        InvalidArgument: the subject is no text or empty, or the claims are no mapping.
    """

    subject: str
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)

    def __post_init__(self) -> None:
        if not isinstance(cast("object", self.subject), str) or not self.subject:
            raise InvalidArgument(f"subject={self.subject!r:.60}: expected a text, not empty")
        if not isinstance(cast("object", self.claims), Mapping):
            raise InvalidArgument(f"claims={self.claims!r:.60}: expected a mapping")

    @property
    def scopes(self) -> frozenset[str]:
        """What the claim `scope`, or `scp`, permits: words of a text, or the texts of a list."""
        found: set[str] = set()
        for claim in _SCOPE_CLAIMS:
            value = self.claims.get(claim, ())
            words = value.split() if isinstance(value, str) else value
            if isinstance(words, list | tuple | set | frozenset):
                found.update(word for word in cast("list[object]", words) if isinstance(word, str))
        return frozenset(found)


ANONYMOUS: Final = Principal("anonymous")
"""On whose behalf somebody acts who was not authenticated."""
