"""The NetworkPolicies of the pods that serve, check and migrate."""

import ipaddress
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.children.pods import HTTP_PORT, MANAGEMENT_PORT
from chekov_operator.kube.objects import Object
from chekov_operator.stores.dsn import POSTGRES_PORT, Address

_DNS_PORT: Final = 53


def network_policy_spec(
    bundle: Bundle, databases: Sequence[Address], pods: Mapping[str, str]
) -> Object:
    """Ingress: the API from the allowed peers, the management port from the cluster.

    Egress: DNS, the database, the OTLP endpoint, and the URL of an issuer's keys.

    Args:
        bundle: the spec.
        databases: the known servers of the store; if there are none, Postgres's usual port.
        pods: the labels that select the pods.
    """
    api: Object = {"ports": [_open(HTTP_PORT)]}
    if bundle.ingress_from:
        api["from"] = list(bundle.ingress_from)
    management: Object = {
        "ports": [_open(MANAGEMENT_PORT)],
        "from": [{"namespaceSelector": {}}],
    }
    egress: list[Object] = [
        _DNS,
        *_to_databases(databases),
    ]
    if bundle.telemetry.endpoint:
        egress.append({"ports": [_open(_endpoint_port(bundle.telemetry.endpoint))]})
    issuer = bundle.access.issuer
    if issuer and issuer.keys_url:
        egress.append({"ports": [_open(_endpoint_port(issuer.keys_url))]})
    return {
        "podSelector": {"matchLabels": dict(pods)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [api, management],
        "egress": egress,
    }


def job_policy_spec(databases: Sequence[Address] | None, pods: Mapping[str, str]) -> Object:
    """Nobody reaches the pods of Jobs, and they reach names and, if they need one, their database.

    Args:
        databases: as for `network_policy_spec`; `None` for a Job that needs no database.
        pods: the labels that select the pods.
    """
    return {
        "podSelector": {"matchLabels": dict(pods)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [],
        "egress": [_DNS, *([] if databases is None else _to_databases(databases))],
    }


def _open(port: int, protocol: str = "TCP") -> Object:
    return {"protocol": protocol, "port": port}


_DNS: Final[Object] = {"ports": [_open(_DNS_PORT, "UDP"), _open(_DNS_PORT)]}


def _to_databases(databases: Sequence[Address]) -> list[Object]:
    rules: list[Object] = []
    for host, port in databases or [Address("", POSTGRES_PORT)]:
        rule: Object = {"ports": [_open(port)]}
        # A policy cannot hold a host name, and the addresses of a name change: allow its port.
        with suppress(ValueError):
            address = ipaddress.ip_address(host)
            rule["to"] = [{"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}}]
        if rule not in rules:
            rules.append(rule)
    return rules


def _endpoint_port(endpoint: str) -> int:
    parts = urlsplit(endpoint)
    try:
        port = parts.port
    except ValueError:
        port = None
    return port or (443 if parts.scheme == "https" else 80)
