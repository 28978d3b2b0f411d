"""The children of bundles and stores, as data: what should be there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chekov_operator import names, pods
from chekov_operator.api import Bundle, Meta, Store
from chekov_operator.dsn import Address
from chekov_operator.network import policy
from chekov_operator.resources import (
    BUNDLE,
    BUNDLE_LABEL,
    COMPONENT_LABEL,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    JOB,
    MANAGED,
    NETWORK_POLICY,
    REVISION_LABEL,
    SERVICE,
    SERVICE_ACCOUNT,
    STORE,
    STORE_LABEL,
    Kind,
    Object,
)
from chekov_operator.settings import Settings

RUNTIME: Final = "runtime"
CHECK: Final = "check"
MIGRATION: Final = "migration"
_TERMINATION_LOG: Final = "/dev/termination-log"


@dataclass(frozen=True, slots=True)
class Target:
    """Everything that one revision's pods are made from.

    Attributes:
        bundle: what the user wants.
        revision: name of the code and configuration.
        image: in which the code runs.
        modules: file name → source, for code that is mounted.
        store: where its events are kept.
        pull_policy: of the image.
    """

    bundle: Bundle
    revision: str
    image: str
    modules: Mapping[str, str] | None
    store: Store
    pull_policy: str | None

    @property
    def code(self) -> str | None:
        """Name of the ConfigMap that is mounted as the code, if there is one."""
        name = names.record(self.bundle.meta.name, self.revision)
        return None if self.modules is None else name

    @property
    def account(self) -> str:
        """Name of the ServiceAccount of its pods."""
        return self.bundle.service_account or self.bundle.meta.name


def selector(bundle: str) -> dict[str, str]:
    """The labels by which Services, budgets and the Deployment find the pods that serve."""
    return {
        "app.kubernetes.io/name": "chekov-runtime",
        BUNDLE_LABEL: bundle,
        COMPONENT_LABEL: RUNTIME,
    }


def labels_of(bundle: str) -> dict[str, str]:
    """The labels of everything that belongs to a bundle."""
    return {
        "app.kubernetes.io/name": "chekov-runtime",
        "app.kubernetes.io/instance": bundle,
        **MANAGED,
        BUNDLE_LABEL: bundle,
    }


def surroundings(bundle: Bundle, databases: Sequence[Address]) -> list[Object]:
    """What a bundle has besides its pods, whatever revision they are of.

    Args:
        bundle: what the user wants.
        databases: every server of the store, as far as known.
    """
    wanted = [service(bundle), management_service(bundle)]
    if bundle.replicas > 1:
        wanted.append(disruption_budget(bundle))
    if bundle.network_policy:
        wanted.append(
            {
                **_head(bundle, NETWORK_POLICY, bundle.meta.name),
                "spec": policy(bundle, databases, selector(bundle.meta.name)),
            }
        )
    return wanted


def service_account(bundle: Bundle) -> Object:
    """An identity without a token: the pods do not speak to the API server."""
    return {
        **_head(bundle, SERVICE_ACCOUNT, bundle.meta.name),
        "automountServiceAccountToken": False,
    }


def check_job(target: Target) -> Object:
    """Loads the new code where it will run, and says what is wrong with it."""
    bundle = target.bundle
    labels = {REVISION_LABEL: target.revision, COMPONENT_LABEL: CHECK}
    container = pods.bundle_container(
        bundle,
        ["chekov", "check", "--output", "json", "--termination-log", _TERMINATION_LOG],
        target.image,
        _code_variables(target),
        code=target.code,
        pull_policy=target.pull_policy,
    )
    template = pods.check_pod(
        bundle,
        container,
        labels={**labels_of(bundle.meta.name), **labels},
        code=target.code,
        account=target.account,
    )
    name = names.check(bundle.meta.name, target.revision)
    return {
        **_head(bundle, JOB, name, labels),
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": 300, "template": template},
    }


def deployment(target: Target) -> Object:
    """The pods, replaced one by one and never before the new one serves."""
    bundle = target.bundle
    labels = {REVISION_LABEL: target.revision, COMPONENT_LABEL: RUNTIME}
    container = pods.bundle_container(
        bundle,
        ["chekov", "serve"],
        target.image,
        _variables(target),
        code=target.code,
        pull_policy=target.pull_policy,
    )
    return {
        **_head(bundle, DEPLOYMENT, bundle.meta.name, labels),
        "spec": {
            "replicas": bundle.replicas,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": 180,
            "selector": {"matchLabels": selector(bundle.meta.name)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "template": pods.runtime_pod(
                bundle,
                container,
                labels={**labels_of(bundle.meta.name), **labels},
                code=target.code,
                account=target.account,
            ),
        },
    }


def service(bundle: Bundle) -> Object:
    """The bundle's API."""
    body = _head(bundle, SERVICE, bundle.meta.name)
    if bundle.service_annotations:
        body["metadata"]["annotations"] = dict(bundle.service_annotations)
    return {
        **body,
        "spec": {
            "type": bundle.service_type,
            "selector": selector(bundle.meta.name),
            "ports": [_port("http", pods.HTTP_PORT)],
        },
    }


def management_service(bundle: Bundle) -> Object:
    """Probes and metrics, each pod under its own address."""
    return {
        **_head(bundle, SERVICE, names.management(bundle.meta.name)),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector(bundle.meta.name),
            "ports": [_port("management", pods.MANAGEMENT_PORT)],
        },
    }


def disruption_budget(bundle: Bundle) -> Object:
    """A node that is drained takes one pod at a time."""
    name = bundle.meta.name
    return {
        **_head(bundle, DISRUPTION_BUDGET, name),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector(name)}},
    }


def migration_job(store: Store, version: int, settings: Settings) -> Object:
    """Brings a store's schema to the version of the runtime image."""
    labels = {
        "app.kubernetes.io/name": "chekov-store",
        "app.kubernetes.io/instance": store.meta.name,
        **MANAGED,
        STORE_LABEL: store.meta.name,
        COMPONENT_LABEL: MIGRATION,
    }
    env = [pods.dsn_variable(store.secret), pods.variable("CHEKOV_SCHEMA", store.schema)]
    template = pods.migration_pod(settings.runtime_image, settings.runtime_pull_policy, env, labels)
    return {
        **head(JOB, names.migration(store.meta.name, version), store.meta, STORE, labels),
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": 600, "template": template},
    }


def head(kind: Kind, name: str, owner: Meta, owner_kind: Kind, labels: Mapping[str, str]) -> Object:
    """The beginning of a child: what it is, and to whom it belongs."""
    return {
        "apiVersion": kind.api,
        "kind": kind.name,
        "metadata": {
            "name": name,
            "namespace": owner.namespace,
            "labels": dict(labels),
            "ownerReferences": [
                {
                    "apiVersion": owner_kind.api,
                    "kind": owner_kind.name,
                    "name": owner.name,
                    "uid": owner.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
    }


def _head(bundle: Bundle, kind: Kind, name: str, labels: Mapping[str, str] | None = None) -> Object:
    return head(kind, name, bundle.meta, BUNDLE, {**labels_of(bundle.meta.name), **(labels or {})})


def _variables(target: Target) -> Sequence[Object]:
    bundle = target.bundle
    variables: list[Object] = [
        pods.dsn_variable(target.store.secret),
        pods.variable("CHEKOV_SCHEMA", target.store.schema),
        *_code_variables(target),
        pods.variable("CHEKOV_HTTP_PORT", str(pods.HTTP_PORT)),
        pods.variable("CHEKOV_MANAGEMENT_PORT", str(pods.MANAGEMENT_PORT)),
        pods.from_field("CHEKOV_NODE", "metadata.name"),
        pods.variable("CHEKOV_LOG_LEVEL", bundle.telemetry.log_level),
        pods.variable("CHEKOV_DRAIN_DELAY", str(pods.DRAIN_DELAY_SECONDS)),
        pods.variable("CHEKOV_DRAIN_TIMEOUT", str(pods.DRAIN_SECONDS)),
        pods.variable("OTEL_SERVICE_NAME", bundle.meta.name),
    ]
    if target.store.pooled:
        variables.append(pods.variable("CHEKOV_STORE_POOLED", "true"))
    if bundle.telemetry.endpoint:
        variables.append(pods.variable("OTEL_EXPORTER_OTLP_ENDPOINT", bundle.telemetry.endpoint))
    if bundle.telemetry.sample_ratio:
        variables.append(pods.variable("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"))
        variables.append(pods.variable("OTEL_TRACES_SAMPLER_ARG", bundle.telemetry.sample_ratio))
    return variables


def _code_variables(target: Target) -> list[Object]:
    variables = [
        pods.variable("CHEKOV_DOMAIN", target.bundle.entrypoint),
        pods.variable("CHEKOV_BUNDLE", target.bundle.meta.name),
        pods.variable("CHEKOV_REVISION", target.revision),
        pods.variable("CHEKOV_LOG_FORMAT", "json"),
    ]
    if target.code is not None:
        variables.append(pods.variable("CHEKOV_PATH", pods.CODE_PATH))
    return variables


def _port(name: str, port: int) -> Object:
    return {"name": name, "port": port, "protocol": "TCP", "targetPort": name}
