"""The children that a bundle or a store should have, as plain objects."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.event_store import Store
from chekov_operator.api.spec import Meta
from chekov_operator.children import access, names, pods
from chekov_operator.children.network_policy import job_policy_spec, network_policy_spec
from chekov_operator.children.revision import Revision
from chekov_operator.kube.kinds import (
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
)
from chekov_operator.kube.objects import (
    Object,
)
from chekov_operator.settings import Settings
from chekov_operator.stores.dsn import (
    Address,
)

RUNTIME: Final = "runtime"
CHECK: Final = "check"
MIGRATION: Final = "migration"
_CHECK_SECONDS: Final = 300
_MIGRATION_SECONDS: Final = 600
_NO_DEADLINE: Final = 2**31 - 1
_TERMINATION_LOG: Final = "/dev/termination-log"


def selector_labels(bundle: str) -> dict[str, str]:
    """The labels by which Services, budgets and the Deployment select the pods that serve."""
    return {
        "app.kubernetes.io/name": "chekov-runtime",
        BUNDLE_LABEL: bundle,
        COMPONENT_LABEL: RUNTIME,
    }


def child_labels(bundle: str) -> dict[str, str]:
    """The labels of everything that belongs to a bundle."""
    return {
        "app.kubernetes.io/name": "chekov-runtime",
        "app.kubernetes.io/instance": bundle,
        **MANAGED,
        BUNDLE_LABEL: bundle,
    }


def supporting_objects(bundle: Bundle, databases: Sequence[Address]) -> list[Object]:
    """The Services and the network policy, which are the same for every revision.

    Args:
        bundle: the spec.
        databases: the known servers of the store.
    """
    wanted = [service(bundle), management_service(bundle)]
    if bundle.network_policy:
        wanted.append(
            {
                **_child_of_bundle(bundle, NETWORK_POLICY, bundle.meta.name),
                "spec": network_policy_spec(bundle, databases, selector_labels(bundle.meta.name)),
            }
        )
    return wanted


def service_account(bundle: Bundle) -> Object:
    """An identity without a token, since pods do not call the API server."""
    return {
        **_child_of_bundle(bundle, SERVICE_ACCOUNT, bundle.meta.name),
        "automountServiceAccountToken": False,
    }


def check_job(revision: Revision) -> Object:
    """Loads the code in the image that will run it, and reports its faults."""
    bundle = revision.bundle
    labels = {REVISION_LABEL: revision.name, COMPONENT_LABEL: CHECK}
    container = pods.bundle_container(
        bundle,
        ["chekov", "check", "--output", "frame", "--termination-log", _TERMINATION_LOG],
        revision.image,
        _code_variables(revision),
        code=revision.code,
        pull_policy=revision.pull_policy,
    )
    template = pods.check_pod(
        bundle,
        container,
        labels={**child_labels(bundle.meta.name), **labels},
        code=revision.code,
        account=revision.account,
    )
    name = names.check(bundle.meta.name, revision.name)
    return {
        **_child_of_bundle(bundle, JOB, name, labels),
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": bundle.jobs.deadline_seconds or _CHECK_SECONDS,
            "template": template,
        },
    }


def check_policy(bundle: Bundle) -> Object:
    """The network policy of the pods that check the bundle's code, which need no database."""
    name = bundle.meta.name
    pods_of_checks = {BUNDLE_LABEL: name, COMPONENT_LABEL: CHECK}
    return {
        **_child_of_bundle(bundle, NETWORK_POLICY, names.check_policy(name)),
        "spec": job_policy_spec(None, pods_of_checks),
    }


def deployment(
    revision: Revision, replicas: int | None = None, *, name: str | None = None
) -> Object:
    """The pods of a revision.

    What changes them without a new revision replaces them one by one, each only once its successor
    is ready.

    Args:
        revision: the revision.
        replicas: the number of its pods during a rollout; by default, all of the bundle's.
        name: of the Deployment that the revision has, if not the usual one.
    """
    bundle = revision.bundle
    selected = selector_labels(bundle.meta.name)
    if name in (None, revision.object_name):
        selected[REVISION_LABEL] = revision.name
    labels = {REVISION_LABEL: revision.name, COMPONENT_LABEL: RUNTIME}
    container = pods.bundle_container(
        bundle,
        ["chekov", "serve"],
        revision.image,
        _variables(revision),
        code=revision.code,
        pull_policy=revision.pull_policy,
    )
    return {
        **_child_of_bundle(bundle, DEPLOYMENT, name or revision.object_name, labels),
        "spec": {
            "replicas": bundle.pods if replicas is None else replicas,
            "revisionHistoryLimit": 3,
            # The operator judges progress itself, over all revisions.
            "progressDeadlineSeconds": _NO_DEADLINE,
            "selector": {"matchLabels": selected},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": _limits(bundle),
            },
            "template": pods.runtime_pod(
                bundle,
                container,
                labels={**child_labels(bundle.meta.name), **labels},
                code=revision.code,
                account=revision.account,
            ),
        },
    }


def _limits(bundle: Bundle) -> Object:
    rollout = bundle.rollout
    surge, unavailable = rollout.surge(bundle.pods), rollout.unavailable(bundle.pods)
    return {"maxSurge": surge, "maxUnavailable": unavailable}


def service(bundle: Bundle) -> Object:
    body = _child_of_bundle(bundle, SERVICE, bundle.meta.name)
    if bundle.service_annotations:
        body["metadata"]["annotations"] = dict(bundle.service_annotations)
    return {
        **body,
        "spec": {
            "type": bundle.service_type,
            "selector": selector_labels(bundle.meta.name),
            "ports": [_api_port(bundle)],
        },
    }


def management_service(bundle: Bundle) -> Object:
    """The management port of each pod; headless, so that every pod has its own address."""
    return {
        **_child_of_bundle(bundle, SERVICE, names.management(bundle.meta.name)),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector_labels(bundle.meta.name),
            "ports": [_port("management", pods.MANAGEMENT_PORT)],
        },
    }


def disruption_budget(revision: Revision) -> Object:
    """Lets a node drain evict one pod of a revision at a time."""
    bundle, labels = revision.bundle, {REVISION_LABEL: revision.name}
    return {
        **_child_of_bundle(bundle, DISRUPTION_BUDGET, revision.object_name, labels),
        "spec": {
            "maxUnavailable": 1,
            # A pod that is not ready serves nobody, and must not block the drain of its node.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {**selector_labels(bundle.meta.name), **labels}},
        },
    }


def migration_job(store: Store, version: int, settings: Settings) -> Object:
    """Migrates a store's schema to the version of the runtime image."""
    labels = {**_labels_of_store(store), COMPONENT_LABEL: MIGRATION}
    env = [pods.dsn_variable(store.secret), pods.variable("CHEKOV_SCHEMA", store.schema)]
    template = pods.migration_pod(
        settings.runtime_image, settings.runtime_pull_policy, env, labels, store.jobs
    )
    return {
        **child(JOB, names.migration(store.meta.name, version), store.meta, STORE, labels),
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": store.jobs.deadline_seconds or _MIGRATION_SECONDS,
            "template": template,
        },
    }


def migration_policy(store: Store, databases: Sequence[Address]) -> Object:
    """The network policy of the pods that migrate a store's schema."""
    labels = _labels_of_store(store)
    pods_of_migrations = {STORE_LABEL: store.meta.name, COMPONENT_LABEL: MIGRATION}
    name = names.migration_policy(store.meta.name)
    return {
        **child(NETWORK_POLICY, name, store.meta, STORE, labels),
        "spec": job_policy_spec(databases, pods_of_migrations),
    }


def _labels_of_store(store: Store) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "chekov-store",
        "app.kubernetes.io/instance": store.meta.name,
        **MANAGED,
        STORE_LABEL: store.meta.name,
    }


def child(
    kind: Kind, name: str, owner: Meta, owner_kind: Kind, labels: Mapping[str, str]
) -> Object:
    """The kind and the metadata of a child, with its owner reference."""
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


def _child_of_bundle(
    bundle: Bundle, kind: Kind, name: str, labels: Mapping[str, str] | None = None
) -> Object:
    return child(
        kind, name, bundle.meta, BUNDLE, {**child_labels(bundle.meta.name), **(labels or {})}
    )


def _variables(revision: Revision) -> Sequence[Object]:
    bundle = revision.bundle
    variables: list[Object] = [
        pods.dsn_variable(revision.store.secret),
        pods.variable("CHEKOV_SCHEMA", revision.store.schema),
        *_code_variables(revision),
        pods.variable("CHEKOV_HTTP_PORT", str(pods.HTTP_PORT)),
        pods.variable("CHEKOV_MANAGEMENT_PORT", str(pods.MANAGEMENT_PORT)),
        pods.from_field("CHEKOV_NODE", "metadata.name"),
        pods.variable("CHEKOV_LOG_LEVEL", bundle.telemetry.log_level),
        pods.variable("CHEKOV_DRAIN_DELAY", str(pods.DRAIN_DELAY_SECONDS)),
        pods.variable("CHEKOV_DRAIN_TIMEOUT", str(pods.DRAIN_SECONDS)),
        pods.variable("OTEL_SERVICE_NAME", bundle.meta.name),
    ]
    variables += access.variables(bundle.access)
    if revision.store.pooled:
        variables.append(pods.variable("CHEKOV_STORE_POOLED", "true"))
    if bundle.telemetry.endpoint:
        variables.append(pods.variable("OTEL_EXPORTER_OTLP_ENDPOINT", bundle.telemetry.endpoint))
    if bundle.telemetry.sample_ratio:
        variables.append(pods.variable("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"))
        variables.append(pods.variable("OTEL_TRACES_SAMPLER_ARG", bundle.telemetry.sample_ratio))
    return variables


def _code_variables(revision: Revision) -> list[Object]:
    variables = [
        pods.variable("CHEKOV_DOMAIN", revision.bundle.entrypoint),
        pods.variable("CHEKOV_BUNDLE", revision.bundle.meta.name),
        pods.variable("CHEKOV_REVISION", revision.name),
        pods.variable("CHEKOV_LOG_FORMAT", "json"),
    ]
    if revision.bundle.subscriptions:
        settings = json.dumps(list(revision.bundle.subscriptions), sort_keys=True)
        variables.append(pods.variable("CHEKOV_SUBSCRIPTIONS", settings))
    if revision.code is not None:
        variables.append(pods.variable("CHEKOV_PATH", pods.CODE_PATH))
    return variables


def _api_port(bundle: Bundle) -> Object:
    port = _port("http", pods.HTTP_PORT)
    return {**port, "appProtocol": "https"} if bundle.access.certificate else port


def _port(name: str, port: int) -> Object:
    return {"name": name, "port": port, "protocol": "TCP", "targetPort": name}
