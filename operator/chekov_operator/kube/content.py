"""What a Secret or a ConfigMap holds, as far as anybody needs to know it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from chekov_operator.kube.kinds import SECRET, Kind
from chekov_operator.kube.objects import Object, nested, nested_strings

_ROUNDS: Final = 1000
"""Of the hash of a Secret's value: nobody should guess a password by the digest on a pod."""
_DIGEST_BYTES: Final = 5


@dataclass(frozen=True, slots=True)
class Content:
    """What an object holds that a spec names.

    Attributes:
        digests: of each value, by its key.
        data: the text of each key, without binary data; empty for a Secret.
    """

    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    data: Mapping[str, str] = field(default_factory=dict[str, str])

    def version(self, key: str | None) -> str:
        """A digest of one value, or of all; empty where there is none."""
        if key is not None:
            return self.digests.get(key, "")
        return _hashed(repr(sorted(self.digests.items())))


def content_of(kind: Kind, body: Object) -> Content:
    """What an object holds; of a Secret, digests only."""
    held = nested_strings(body, "data") | nested_strings(body, "binaryData")
    if kind is not SECRET:
        digests = {name: _hashed(value) for name, value in held.items()}
        return Content(digests, nested_strings(body, "data"))
    salt = str(nested(body, "metadata", "uid")).encode()
    return Content(
        {
            name: hashlib.pbkdf2_hmac("sha256", value.encode(), salt, _ROUNDS, _DIGEST_BYTES).hex()
            for name, value in held.items()
        }
    )


def _hashed(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
