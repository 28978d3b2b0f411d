"""A DomainBundle's spec as a typed value."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from chekov_operator.api.autoscaling import Autoscaling, parse_autoscaling
from chekov_operator.api.bundle_access import Access, parse_access
from chekov_operator.api.jobs import JobSettings, parse_jobs
from chekov_operator.api.pod_template import check_pod_template
from chekov_operator.api.reference_names import (
    SUBDOMAIN,
    Named,
    names_of_pod,
    names_of_secrets,
    names_within,
)
from chekov_operator.api.rollout import RolloutSettings, parse_rollout
from chekov_operator.api.spec import (
    Body,
    InvalidSpec,
    Meta,
    check_names,
    parse_meta,
    parse_name,
)
from chekov_operator.kube.kinds import PROMOTE_ANNOTATION, UNDO_ANNOTATION
from chekov_operator.kube.objects import (
    Object,
    annotation,
    nested,
    nested_list,
)

MOST_CODE_BYTES: Final = 256 * 1024
"""Of code that is not in an image."""

Compatibility = Literal["Enforce", "Warn", "Skip"]
"""What is done about a revision that cannot work with what is stored."""


@dataclass(frozen=True, slots=True)
class Code:
    """Where a bundle's code comes from. Exactly one of these is set."""

    image: str | None = None
    modules: Mapping[str, str] | None = None
    config_map: str | None = None


@dataclass(frozen=True, slots=True)
class Telemetry:
    endpoint: str | None = None
    sample_ratio: str | None = None
    log_level: str = "info"


@dataclass(frozen=True, slots=True)
class Bundle:
    meta: Meta
    store: str
    code: Code
    entrypoint: str
    replicas: int = 1
    autoscaling: Autoscaling | None = None
    image_pull_policy: str | None = None
    image_pull_secrets: Sequence[Object] = ()
    restart_nonce: str | None = None
    subscriptions: Sequence[Object] = ()
    env: Sequence[Object] = ()
    env_from: Sequence[Object] = ()
    resources: Object = field(default_factory=dict[str, Any])
    service_account: str | None = None
    pod_template: Object = field(default_factory=dict[str, Any])
    service_type: str = "ClusterIP"
    service_annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    network_policy: bool = True
    ingress_from: Sequence[Object] = ()
    telemetry: Telemetry = Telemetry()
    access: Access = field(default_factory=Access)
    jobs: JobSettings = field(default_factory=JobSettings)
    compatibility: Compatibility = "Enforce"
    rollout: RolloutSettings = field(default_factory=RolloutSettings)
    suspended: bool = False
    promoted: str | None = None
    """A revision that should have all pods now, however it fares."""
    undone: str | None = None
    """A revision that should have no pods."""

    @property
    def pods(self) -> int:
        """The number of wanted pods."""
        return 0 if self.suspended else self.replicas


def parse_bundle(body: Body) -> Bundle:
    """Parse a DomainBundle.

    Raises:
        InvalidSpec: a field is invalid.
    """
    spec = nested(body, "spec")
    entrypoint = str(nested(spec, "entrypoint") or "")
    if ":" not in entrypoint:
        raise InvalidSpec(
            "spec.entrypoint", "must have the form module:object, for example bank:domain"
        )
    enabled = nested(spec, "networkPolicy", "enabled")
    replicas = nested(spec, "replicas")
    check_names(_names_in(spec))
    check_pod_template(nested(spec, "podTemplate"))
    endpoint = nested(spec, "telemetry", "otlpEndpoint")
    if endpoint and not _is_url(str(endpoint)):
        raise InvalidSpec("spec.telemetry.otlpEndpoint", "must be a URL such as http://host:4318")
    return Bundle(
        meta=parse_meta(body),
        store=parse_name(nested(spec, "eventStoreRef"), "name", "spec.eventStoreRef"),
        code=_code(nested(spec, "code")),
        entrypoint=entrypoint,
        replicas=1 if replicas is None else int(replicas),
        autoscaling=parse_autoscaling(spec),
        image_pull_policy=nested(spec, "imagePullPolicy"),
        image_pull_secrets=nested_list(spec, "imagePullSecrets"),
        restart_nonce=nested(spec, "restartNonce"),
        subscriptions=nested_list(spec, "subscriptions"),
        env=nested_list(spec, "env"),
        env_from=nested_list(spec, "envFrom"),
        resources=nested(spec, "resources") or {},
        service_account=nested(spec, "serviceAccountName"),
        pod_template=nested(spec, "podTemplate") or {},
        service_type=str(nested(spec, "service", "type") or "ClusterIP"),
        service_annotations=nested(spec, "service", "annotations") or {},
        network_policy=enabled is None or bool(enabled),
        ingress_from=nested_list(spec, "networkPolicy", "ingressFrom"),
        telemetry=Telemetry(
            endpoint=endpoint,
            sample_ratio=nested(spec, "telemetry", "sampleRatio"),
            log_level=str(nested(spec, "telemetry", "logLevel") or "info"),
        ),
        access=parse_access(spec),
        jobs=parse_jobs(spec),
        compatibility=_compatibility(spec),
        rollout=parse_rollout(spec),
        suspended=nested(spec, "suspend") is True,
        promoted=annotation(body, PROMOTE_ANNOTATION),
        undone=annotation(body, UNDO_ANNOTATION),
    )


def _compatibility(spec: object) -> Compatibility:
    match nested(spec, "compatibility"):
        case "Warn":
            return "Warn"
        case "Skip":
            return "Skip"
        case _:
            return "Enforce"


def _names_in(spec: object) -> Iterable[Named]:
    """The names in those parts of a spec that are copied into pods unchanged."""
    account = nested(spec, "serviceAccountName")
    if account is not None:
        yield Named("spec.serviceAccountName", account, SUBDOMAIN)
    yield from names_of_secrets(nested_list(spec, "imagePullSecrets"), "spec.imagePullSecrets")
    yield from names_within(nested_list(spec, "env"), "spec.env")
    yield from names_within(nested_list(spec, "envFrom"), "spec.envFrom")
    yield from names_of_pod(nested(spec, "podTemplate", "spec"), "spec.podTemplate.spec")


def _is_url(text: str) -> bool:
    try:
        return bool(urlsplit(text).hostname)
    except ValueError:
        return False


def _code(given: object) -> Code:
    forms = [name for name in ("image", "inline", "configMapRef") if nested(given, name)]
    if len(forms) != 1:
        found = " and ".join(forms) or "none of them"
        raise InvalidSpec(
            "spec.code", f"set exactly one of image, inline and configMapRef, not {found}"
        )
    if forms == ["image"]:
        return Code(image=str(nested(given, "image")))
    if forms == ["inline"]:
        return Code(modules=nested(given, "inline", "modules") or {})
    return Code(
        config_map=parse_name(nested(given, "configMapRef"), "name", "spec.code.configMapRef")
    )
