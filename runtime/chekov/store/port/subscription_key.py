"""What identifies a subscription in a store."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SubscriptionKey:
    """Identifies one partition of a subscription, and of a projection one build of its tables."""

    domain: str
    name: str
    version: int = 1
    """Of a projection; a new version starts from the origin, with tables of its own."""
    partition: int = 0
    generation: int = 1
    """Of a projection; each rebuild of a version has tables and a checkpoint of its own."""
