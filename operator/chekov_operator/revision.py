"""What makes one revision of a bundle differ from another."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from chekov_operator.api import Bundle
from chekov_operator.settings import Settings

_LENGTH = 10


def digest(value: Any) -> str:
    """A short, stable name for a JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def image_of(bundle: Bundle, settings: Settings) -> str:
    """The image that runs a bundle: its own, or the runtime's with the code mounted."""
    return bundle.code.image or settings.runtime_image


def revision_of(
    bundle: Bundle, modules: Mapping[str, str] | None, schema: str, settings: Settings
) -> str:
    """The name of the code and the configuration that decide how a bundle behaves.

    Replicas, resources, the log level, the Service and the network policy are not in it: they
    change without a new revision.
    """
    return digest(
        {
            "image": image_of(bundle, settings),
            "modules": modules,
            "entrypoint": bundle.entrypoint,
            "store": [bundle.store, schema],
            "env": bundle.env,
            "envFrom": bundle.env_from,
            "podTemplate": bundle.pod_template,
            "serviceAccount": bundle.service_account,
            "telemetry": [bundle.telemetry.endpoint, bundle.telemetry.sample_ratio],
        }
    )
