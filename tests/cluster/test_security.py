"""Restricted pods in a restricted namespace, and people who reach their own namespaces alone."""

from collections.abc import Generator
from uuid import uuid4

import pytest

from tests.cluster import chart, manifests
from tests.cluster.bank import SOURCE, Bank
from tests.cluster.clusters import REPOSITORY, Cluster
from tests.cluster.kube.shell import CommandFailed, run
from tests.cluster.kubectl import Kubectl

RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
BUNDLES = "domainbundles.chekov.dev"
STORES = "eventstores.chekov.dev"


@pytest.fixture(scope="module")
def others(kubectl: Kubectl) -> Generator[Kubectl]:
    """A second namespace."""
    name = f"others-{uuid4().hex[:6]}"
    kubectl.run("create", "namespace", name)
    yield kubectl.within(name)
    kubectl.run("delete", "namespace", name, "--wait=false")


def may(kubectl: Kubectl, user: str, verb: str, resource: str) -> bool:
    """Whether a user may do something in a namespace."""
    resource, _, part = resource.partition("/")
    words = ("auth", "can-i", verb, resource, f"--as={user}", f"--subresource={part}")
    try:
        said = kubectl.run(*words)
    except CommandFailed as error:
        # The exit code is the answer.
        said = str(error)
    assert said.split()[-1] in ("yes", "no"), said
    return said.split()[-1] == "yes"


def test_a_store_and_a_bundle_with_a_sidecar_run_in_a_restricted_namespace(
    kubectl: Kubectl, others: Kubectl, cluster: Cluster
) -> None:
    others.run("label", "namespace", others.namespace, RESTRICTED)
    assert "PodSecurity" in others.refusal(manifests.toolbox(cluster.image))
    dsn = manifests.LOCAL_DSN.replace("127.0.0.1", f"postgres.{kubectl.namespace}.svc")
    store = manifests.event_store()
    store["spec"]["schema"] = "restricted"
    others.apply(manifests.secret("bank-postgres", dsn=dsn), store)
    others.wait("condition=Ready", "eventstore/main")
    safe = Bank(others, cluster, name="safe")
    sidecar = manifests.container("sidecar", cluster.image, "sleep", "infinity")
    first = manifests.container("first", cluster.image, "true")
    template = {"spec": {"containers": [sidecar], "initContainers": [first]}}
    safe.apply(manifests.inline(SOURCE), podTemplate=template)
    safe.wait_until_ready()
    # The migration and the check have run in pods of this namespace, too.
    status = others.get("eventstore", "main")["status"]
    assert status["schemaVersion"] == status["neededSchemaVersion"]
    containers = [
        status["name"] for pod in safe.pods() for status in pod["status"]["containerStatuses"]
    ]
    assert sorted(containers) == ["runtime", "runtime", "sidecar", "sidecar"]
    assert others.condition("domainbundle", "safe", "Checked")["status"] == "True"


def test_a_tenant_reaches_no_other_namespace(kubectl: Kubectl, others: Kubectl) -> None:
    for role in ("view", "edit", "admin"):
        kubectl.run("create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}")
    changing = ("create", "update", "patch", "delete")
    for resource in (BUNDLES, STORES):
        for user in ("view", "edit", "admin"):
            assert may(kubectl, user, "list", resource)
            writes = [may(kubectl, user, verb, resource) for verb in changing]
            assert writes == [user != "view"] * 4
            there = [may(others, user, verb, resource) for verb in ("get", "list", *changing)]
            assert there == [False] * 6
    assert may(kubectl, "edit", "patch", f"{BUNDLES}/scale")
    assert not may(kubectl, "admin", "patch", f"{BUNDLES}/status")
    assert not may(kubectl, "nobody", "get", BUNDLES)


def test_an_operator_of_some_namespaces_has_rights_in_these_alone(
    kubectl: Kubectl, others: Kubectl, cluster: Cluster
) -> None:
    release, home = "tenants", others.namespace
    # Its pods never start: the operator of the whole cluster serves this namespace.
    settings = (
        f"watchNamespaces={{{kubectl.namespace}}}",
        "image.tag=none",
        "image.pullPolicy=Never",
    )
    words = ("upgrade", "--install", release, REPOSITORY / "charts/chekov", f"--namespace={home}")
    given = [f"--set={setting}" for setting in settings]
    run("helm", *words, *given, env=cluster.environment())
    try:
        account = f"system:serviceaccount:{home}:{release}-chekov"
        system = kubectl.within(chart.NAMESPACE)
        for verb, resource in (
            ("get", "secrets"),
            ("patch", "deployments.apps"),
            ("list", BUNDLES),
        ):
            assert may(kubectl, account, verb, resource)
            assert not may(others, account, verb, resource)
            assert not may(system, account, verb, resource)
        for verb, resource in (
            ("create", "pods/exec"),
            ("create", "pods"),
            ("update", "secrets"),
            ("create", "rolebindings.rbac.authorization.k8s.io"),
            ("update", BUNDLES),
        ):
            assert not may(kubectl, account, verb, resource)
        # People have roles of this release too.
        user = "someone"
        editor = f"--clusterrole={home}-{release}-chekov-editor"
        kubectl.run("create", "rolebinding", user, editor, f"--user={user}")
        assert may(kubectl, user, "create", BUNDLES)
        assert not may(others, user, "create", BUNDLES)
        assert not may(kubectl, user, "get", "secrets")
    finally:
        run("helm", "uninstall", release, f"--namespace={home}", env=cluster.environment())
