"""A Prometheus that scrapes as the documentation says, and evaluates the alerts of the chart."""

import re
from collections.abc import Sequence

import yaml

from tests.cluster import chart, manifests
from tests.cluster.clusters import REPOSITORY, Cluster
from tests.cluster.kubectl import Kubectl
from tests.operator.rendering import Manifest, of_kind, rendered

PORT = 9090
_YAML = re.compile(r"```yaml\n(scrape_configs:.*?)```", re.DOTALL)


def rules(*settings: str) -> Manifest:
    """The alerts of the chart as a file of Prometheus, for values as `--set` takes them."""
    shown = ("prometheusRule.enabled=true", *settings)
    [rule] = of_kind(rendered("chekov", *shown), "PrometheusRule")
    return rule["spec"]


def objects(cluster: Cluster, namespace: str, alerts: Manifest) -> list[Manifest]:
    """The objects of a Prometheus that sees a namespace and the operator's."""
    seen = sorted({namespace, chart.NAMESPACE})
    files = {
        "prometheus.yaml": yaml.safe_dump(_configuration(seen)),
        "rules.yaml": yaml.safe_dump(alerts),
    }
    return [*_rights(namespace, seen), *manifests.prometheus(cluster.services_image, files)]


def _configuration(namespaces: Sequence[str]) -> Manifest:
    [text] = _YAML.findall((REPOSITORY / "docs/how-to/observe.md").read_text())
    scraping = yaml.safe_load(text)
    for job in scraping["scrape_configs"]:
        for discovery in job["kubernetes_sd_configs"]:
            discovery["namespaces"] = {"names": list(namespaces)}
    often = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    return {"global": often, "rule_files": ["rules.yaml"], **scraping}


def _rights(namespace: str, seen: Sequence[str]) -> list[Manifest]:
    account = {"kind": "ServiceAccount", "name": "prometheus", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    found = [manifests.named("ServiceAccount", "v1", "prometheus")]
    for each in seen:
        binding = manifests.named(
            "RoleBinding",
            "rbac.authorization.k8s.io/v1",
            f"prometheus-{namespace}",
            roleRef=role,
            subjects=[account],
        )
        binding["metadata"]["namespace"] = each
        found.append(binding)
    return found


def start(kubectl: Kubectl, cluster: Cluster, alerts: Manifest) -> None:
    """Start it in a namespace, and wait until it answers."""
    for each in objects(cluster, kubectl.namespace, alerts):
        within = kubectl.within(each["metadata"].get("namespace", kubectl.namespace))
        within.apply(each)
    kubectl.wait("condition=Ready", "pod/prometheus")


def stop(kubectl: Kubectl) -> None:
    """Take away what is not in its namespace."""
    operator = kubectl.within(chart.NAMESPACE)
    operator.delete("rolebinding", f"prometheus-{kubectl.namespace}", "--ignore-not-found")
