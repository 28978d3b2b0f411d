"""The database schemas of projections."""

import hashlib
import re
from typing import Final

from chekov.store.port import SubscriptionKey

_POSTGRES_NAME_BYTES: Final = 63
_UNSAFE: Final = re.compile(r"[^a-z0-9_]")


def schema_name(store_schema: str, key: SubscriptionKey) -> str:
    """The name of the schema that holds the tables of one generation of a projection.

    A name that is too long is cut, and ends with a hash of the full name. The first generation of a
    version is not numbered.
    """
    version = f"_v{key.version}" + (f"_g{key.generation}" if key.generation > 1 else "")
    full = f"{store_schema}_{key.domain}_{key.name}{version}"
    name = _UNSAFE.sub("_", full.lower())
    if len(name) <= _POSTGRES_NAME_BYTES:
        return name
    digest = hashlib.sha256(full.encode()).hexdigest()[:10]
    return name[: _POSTGRES_NAME_BYTES - len(digest) - len(version) - 1] + f"_{digest}{version}"
