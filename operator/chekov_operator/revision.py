"""What makes one revision of a bundle differ from another."""

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from chekov_operator.api import Bundle

_LENGTH: Final = 10


def digest(value: object) -> str:
    """A short, stable name for a JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def revision_of(
    bundle: Bundle, modules: Mapping[str, str] | None, schema: str, runtime_image: str
) -> str:
    """The name of the code and the configuration that decide how a bundle behaves.

    Replicas, resources, the log level, the Service, the network policy, and how the store is
    reached are not in it: they change without a new revision.
    """
    return digest(
        {
            "image": bundle.code.image or runtime_image,
            "modules": dict(modules) if modules is not None else None,
            "entrypoint": bundle.entrypoint,
            "store": [bundle.store, schema],
            "env": list(bundle.env),
            "envFrom": list(bundle.env_from),
            "podSpec": bundle.pod_template.get("spec"),
            "serviceAccount": bundle.service_account,
            "restart": bundle.restart_nonce,
        }
    )
