"""How Jobs run: `spec.jobs` of bundles and stores as a typed value."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chekov_operator.api.reference_names import SUBDOMAIN, Named, names_of_secrets
from chekov_operator.api.spec import check_names
from chekov_operator.kube.objects import Object, nested, nested_list, nested_strings

_PATH = "spec.jobs"


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What differs from the defaults; an empty value differs in nothing.

    Attributes:
        resources: requests and limits of the container.
        node_selector: labels of the nodes.
        tolerations: of their taints.
        image_pull_secrets: for the image.
        service_account: of the pod.
        deadline_seconds: how long a Job may take.
    """

    resources: Object = field(default_factory=dict[str, Any])
    node_selector: Mapping[str, str] = field(default_factory=dict[str, str])
    tolerations: Sequence[Object] = ()
    image_pull_secrets: Sequence[Object] = ()
    service_account: str | None = None
    deadline_seconds: int | None = None


def parse_jobs(spec: object) -> JobSettings:
    """Parse `jobs` of a spec.

    Raises:
        InvalidSpec: a name cannot be one.
    """
    given = nested(spec, "jobs")
    check_names(_names_in(given))
    return JobSettings(
        resources=nested(given, "resources") or {},
        node_selector=nested_strings(given, "nodeSelector"),
        tolerations=nested_list(given, "tolerations"),
        image_pull_secrets=nested_list(given, "imagePullSecrets"),
        service_account=nested(given, "serviceAccountName"),
        deadline_seconds=nested(given, "deadlineSeconds"),
    )


def _names_in(given: object) -> Iterable[Named]:
    account = nested(given, "serviceAccountName")
    if account is not None:
        yield Named(f"{_PATH}.serviceAccountName", account, SUBDOMAIN)
    yield from names_of_secrets(nested_list(given, "imagePullSecrets"), f"{_PATH}.imagePullSecrets")
