"""A revision: the code and the configuration that decide how a bundle behaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.event_store import Store
from chekov_operator.children import names
from chekov_operator.kube.objects import digest

TEMPLATE_VERSION: Final = 1
"""Of the template that pods are made from: `workloads.deployment`, with `pods` and `access`.

A revision keeps the version that it was made with, so that a newer operator replaces no pods by
itself. Whatever changes in the template is therefore made only from the next version on, as by
`if revision.template >= 2`, and this number is raised.
"""


@dataclass(frozen=True, slots=True)
class Revision:
    """Everything that the pods of one revision are made from.

    Attributes:
        name: the hash that `revision_name` computes.
        spec: the bundle's spec as the user wrote it.
        bundle: the same, parsed.
        image: the image that the code runs in.
        modules: the source of each file, for code that is mounted.
        store: the store of its events.
        pull_policy: of the image.
        template: the version of the pod template that it was made with.
    """

    name: str
    spec: Mapping[str, object]
    bundle: Bundle
    image: str
    modules: Mapping[str, str] | None
    store: Store
    pull_policy: str | None
    template: int = TEMPLATE_VERSION

    @property
    def code(self) -> str | None:
        """The name of the ConfigMap that is mounted as the code, if there is one."""
        return None if self.modules is None else self.object_name

    @property
    def object_name(self) -> str:
        """The name of the BundleRevision, and of most that belongs to the revision alone."""
        return names.revision(self.bundle.meta.name, self.name)

    @property
    def account(self) -> str:
        """The name of the pods' ServiceAccount."""
        return self.bundle.service_account or self.bundle.meta.name


def revision_name(
    bundle: Bundle, modules: Mapping[str, str] | None, schema: str, runtime_image: str
) -> str:
    """The hash that names a revision.

    Replicas, resources, the log level, the Service, the network policy and the connection to the
    store are not part of it, so they can change without a new revision.
    """
    subscriptions = {"subscriptions": list(bundle.subscriptions)} if bundle.subscriptions else {}
    return digest(
        {
            **subscriptions,
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
