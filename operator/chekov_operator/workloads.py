"""The children of bundles and stores, as data: what should be there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chekov_operator import pods
from chekov_operator.api import Bundle, Meta, SecretKey, Store
from chekov_operator.resources import (
    BUNDLE_LABEL,
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    GROUP,
    JOB,
    MANAGED,
    NETWORK_POLICY,
    REVISION_LABEL,
    SERVICE,
    SERVICE_ACCOUNT,
    STORE_LABEL,
    VERSION,
    Kind,
    Object,
)
from chekov_operator.revision import image_of
from chekov_operator.settings import Settings

CHECK_ANNOTATION = f"{GROUP}/check"
TERMINATION_LOG = "/dev/termination-log"


@dataclass(frozen=True, slots=True)
class Target:
    """Everything that a bundle's children are made from.

    Attributes:
        bundle: what the user wants.
        revision: name of the code and configuration.
        modules: file name → source, for code that is mounted.
        secret: where the store's DSN is.
        schema: of the store.
        database: host and port of the store, for the network policy; `None` when not known.
    """

    bundle: Bundle
    revision: str
    modules: Mapping[str, str] | None
    secret: SecretKey
    schema: str
    database: tuple[str, int] | None
    settings: Settings

    @property
    def code(self) -> str | None:
        """Name of the ConfigMap that holds the code, if it is mounted."""
        return None if self.modules is None else f"{self.bundle.meta.name}-{self.revision}"

    @property
    def account(self) -> str:
        """Name of the ServiceAccount of its pods."""
        return self.bundle.service_account or self.bundle.meta.name

    @property
    def check(self) -> str:
        """Name of the Job that checks this revision."""
        return f"{self.bundle.meta.name}-check-{self.revision}"


def selector(bundle: str) -> dict[str, str]:
    """The labels by which Services and the Deployment find a bundle's pods."""
    return {"app.kubernetes.io/name": "chekov-runtime", BUNDLE_LABEL: bundle}


def children(target: Target, check: str) -> list[Object]:
    """All that a checked revision needs; `check` is what its check answered, as JSON."""
    bundle = target.bundle
    wanted = [*prerequisites(target), service(target), management_service(target)]
    if bundle.replicas > 1:
        wanted.append(disruption_budget(target))
    if bundle.network_policy:
        wanted.append(network_policy(target))
    return [*wanted, deployment(target, check)]


def prerequisites(target: Target) -> list[Object]:
    """What pods of this revision need before they start."""
    wanted: list[Object] = []
    if target.bundle.service_account is None:
        wanted.append(service_account(target))
    if target.modules is not None:
        wanted.append(code_map(target, target.modules))
    return wanted


def service_account(target: Target) -> Object:
    """An identity without a token: the pods do not speak to the API server."""
    return {
        **_head(target, SERVICE_ACCOUNT, target.account),
        "automountServiceAccountToken": False,
    }


def code_map(target: Target, modules: Mapping[str, str]) -> Object:
    """The code of one revision, which never changes."""
    name = f"{target.bundle.meta.name}-{target.revision}"
    return {
        **_head(target, CONFIG_MAP, name, revision=True),
        "immutable": True,
        "data": dict(modules),
    }


def check_job(target: Target) -> Object:
    """Loads the new code where it will run, and says what is wrong with it."""
    bundle = target.bundle
    template = pods.job_pod(
        "check",
        ["chekov", "check", "--output", "json", "--termination-log", TERMINATION_LOG],
        image_of(bundle, target.settings),
        bundle.image_pull_policy or target.settings.runtime_pull_policy,
        [*_code_variables(target), *bundle.env],
        labels={**_labels(target), REVISION_LABEL: target.revision, f"{GROUP}/role": "check"},
        code=target.code,
        extra={"envFrom": list(bundle.env_from)} if bundle.env_from else None,
    )
    template["spec"]["serviceAccountName"] = target.account
    if bundle.image_pull_secrets:
        template["spec"]["imagePullSecrets"] = list(bundle.image_pull_secrets)
    return {
        **_head(target, JOB, target.check, revision=True),
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": 300, "template": template},
    }


def deployment(target: Target, check: str) -> Object:
    """The pods, replaced one by one and never before the new one serves."""
    bundle = target.bundle
    name = bundle.meta.name
    labels = {**_labels(target), REVISION_LABEL: target.revision}
    body = _head(target, DEPLOYMENT, name, revision=True)
    body["metadata"]["annotations"] = {CHECK_ANNOTATION: check}
    return {
        **body,
        "spec": {
            "replicas": bundle.replicas,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": 300,
            "selector": {"matchLabels": selector(name)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "template": pods.runtime_pod(
                bundle,
                image_of(bundle, target.settings),
                _variables(target),
                labels=labels,
                code=target.code,
                account=target.account,
                settings=target.settings,
            ),
        },
    }


def service(target: Target) -> Object:
    """The bundle's API."""
    bundle = target.bundle
    body = _head(target, SERVICE, bundle.meta.name)
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


def management_service(target: Target) -> Object:
    """Probes and metrics, each pod under its own address."""
    name = target.bundle.meta.name
    return {
        **_head(target, SERVICE, f"{name}-management"),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector(name),
            "ports": [_port("management", pods.MANAGEMENT_PORT)],
        },
    }


def disruption_budget(target: Target) -> Object:
    """A node that is drained takes one pod at a time."""
    name = target.bundle.meta.name
    return {
        **_head(target, DISRUPTION_BUDGET, name),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector(name)}},
    }


def network_policy(target: Target) -> Object:
    """In: the API by rule, management from anywhere in the cluster. Out: names, database, traces."""
    bundle = target.bundle
    api: Object = {"ports": [{"protocol": "TCP", "port": pods.HTTP_PORT}]}
    if bundle.ingress_from:
        api["from"] = list(bundle.ingress_from)
    management: Object = {
        "ports": [{"protocol": "TCP", "port": pods.MANAGEMENT_PORT}],
        "from": [{"namespaceSelector": {}}],
    }
    dns: Object = {
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    }
    egress = [dns]
    ports = [target.database[1]] if target.database else [5432]
    if bundle.telemetry.endpoint:
        ports.append(_endpoint_port(bundle.telemetry.endpoint))
    egress.extend({"ports": [{"protocol": "TCP", "port": port}]} for port in dict.fromkeys(ports))
    return {
        **_head(target, NETWORK_POLICY, bundle.meta.name),
        "spec": {
            "podSelector": {"matchLabels": selector(bundle.meta.name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [api, management],
            "egress": egress,
        },
    }


def migration_job(store: Store, version: int, settings: Settings) -> Object:
    """Brings a store's schema to the version of the runtime image."""
    labels = {**MANAGED, STORE_LABEL: store.meta.name}
    name = f"{store.meta.name}-migrate-{version}"
    body = head(JOB, name, store.meta, "EventStore", labels)
    template = pods.job_pod(
        "migrate",
        ["chekov", "migrate", "--output", "json"],
        settings.runtime_image,
        settings.runtime_pull_policy,
        [pods.dsn_variable(store.secret), pods.variable("CHEKOV_SCHEMA", store.schema)],
        labels=labels,
    )
    return {
        **body,
        "spec": {"backoffLimit": 2, "activeDeadlineSeconds": 600, "template": template},
    }


def head(kind: Kind, name: str, owner: Meta, owner_kind: str, labels: Mapping[str, str]) -> Object:
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
                    "apiVersion": f"{GROUP}/{VERSION}",
                    "kind": owner_kind,
                    "name": owner.name,
                    "uid": owner.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
    }


def _head(target: Target, kind: Kind, name: str, *, revision: bool = False) -> Object:
    labels = _labels(target)
    if revision:
        labels[REVISION_LABEL] = target.revision
    return head(kind, name, target.bundle.meta, "DomainBundle", labels)


def _labels(target: Target) -> dict[str, str]:
    name = target.bundle.meta.name
    return {**selector(name), **MANAGED, "app.kubernetes.io/instance": name}


def _variables(target: Target) -> Sequence[Object]:
    bundle = target.bundle
    variables: list[Object] = [
        pods.dsn_variable(target.secret),
        pods.variable("CHEKOV_SCHEMA", target.schema),
        *_code_variables(target),
        pods.variable("CHEKOV_HTTP_PORT", str(pods.HTTP_PORT)),
        pods.variable("CHEKOV_MANAGEMENT_PORT", str(pods.MANAGEMENT_PORT)),
        pods.from_field("CHEKOV_NODE", "metadata.name"),
        pods.variable("CHEKOV_BUNDLE", bundle.meta.name),
        pods.variable("CHEKOV_REVISION", target.revision),
        pods.variable("CHEKOV_LOG_FORMAT", "json"),
        pods.variable("CHEKOV_LOG_LEVEL", bundle.telemetry.log_level),
        pods.variable("CHEKOV_DRAIN_DELAY", str(pods.DRAIN_DELAY_SECONDS)),
        pods.variable("CHEKOV_DRAIN_TIMEOUT", str(pods.DRAIN_SECONDS)),
        pods.variable("OTEL_SERVICE_NAME", bundle.meta.name),
    ]
    if bundle.telemetry.endpoint:
        variables.append(pods.variable("OTEL_EXPORTER_OTLP_ENDPOINT", bundle.telemetry.endpoint))
    if bundle.telemetry.sample_ratio:
        variables.append(pods.variable("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"))
        variables.append(pods.variable("OTEL_TRACES_SAMPLER_ARG", bundle.telemetry.sample_ratio))
    return [*variables, *bundle.env]


def _code_variables(target: Target) -> list[Object]:
    variables = [pods.variable("CHEKOV_DOMAIN", target.bundle.entrypoint)]
    if target.code is not None:
        variables.append(pods.variable("CHEKOV_PATH", pods.CODE_PATH))
    return variables


def _port(name: str, port: int) -> Object:
    return {"name": name, "port": port, "protocol": "TCP", "targetPort": name}


def _endpoint_port(endpoint: str) -> int:
    scheme, _, rest = endpoint.partition("://")
    _, _, port = rest.partition("/")[0].rpartition(":")
    return int(port) if port.isdigit() else {"https": 443}.get(scheme, 80)


def annotated_check(live: Mapping[str, Any] | None) -> str | None:
    """What the check of a live Deployment's revision answered."""
    meta: Mapping[str, Any] = (live or {}).get("metadata") or {}
    return (meta.get("annotations") or {}).get(CHECK_ANNOTATION)
