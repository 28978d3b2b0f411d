"""A Subscription's spec as a typed value."""

from dataclasses import dataclass

from chekov_operator.api.spec import Body, InvalidSpec, Meta, parse_meta, parse_name
from chekov_operator.kube.objects import controller_uid, nested


@dataclass(frozen=True, slots=True)
class Subscription:
    """One handler, projection or process manager of a bundle.

    Attributes:
        meta: of the resource.
        owner: the uid of the DomainBundle that controls it.
        bundle: the DomainBundle whose handler it is.
        store: the EventStore that holds its checkpoint.
        domain: the name of the bundle's domain.
        handler: the name in the code.
        kind: `handler`, `projection` or `process`.
        version: of the handler.
        suspend: whether the user wants no pod to run it.
        resume_nonce: a new value asks once for it to be resumed.
    """

    meta: Meta
    owner: str
    bundle: str
    store: str
    domain: str
    handler: str
    kind: str
    version: int
    suspend: bool = False
    resume_nonce: str = ""

    @property
    def actor(self) -> str:
        """Who pauses it when `spec.suspend` says so, for the store's record.

        Clusters that share a store may have objects of the same name in it; no uid is twice.
        """
        return f"Subscription {self.meta.namespace}/{self.meta.name} (DomainBundle {self.owner})"


def parse_subscription(body: Body) -> Subscription:
    """Parse a Subscription.

    Raises:
        InvalidSpec: a field is invalid.
    """
    spec = nested(body, "spec")
    texts = {name: nested(spec, name) for name in ("domain", "handler", "kind")}
    for name, found in texts.items():
        if not isinstance(found, str) or not found:
            raise InvalidSpec(f"spec.{name}", "expected what the operator wrote there")
    meta = parse_meta(body)
    return Subscription(
        meta=meta,
        owner=controller_uid(body) or meta.uid,
        bundle=parse_name(nested(spec, "bundleRef"), "name", "spec.bundleRef"),
        store=parse_name(nested(spec, "eventStoreRef"), "name", "spec.eventStoreRef"),
        **texts,
        version=int(nested(spec, "version") or 1),
        suspend=nested(spec, "suspend") is True,
        resume_nonce=str(nested(spec, "resumeNonce") or ""),
    )
