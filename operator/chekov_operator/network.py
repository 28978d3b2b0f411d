"""Who may reach a bundle's pods, and whom they may reach."""

import ipaddress
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from chekov_operator.api import Bundle
from chekov_operator.dsn import POSTGRES_PORT, Address
from chekov_operator.pods import HTTP_PORT, MANAGEMENT_PORT
from chekov_operator.resources import Object

_DNS_PORT: Final = 53


def policy(bundle: Bundle, databases: Sequence[Address], pods: Mapping[str, str]) -> Object:
    """In: the API by rule, management from the cluster. Out: names, the database, traces.

    Args:
        bundle: what the user wants.
        databases: every server of the store, as far as known.
        pods: the labels of the pods that it is about.
    """
    api: Object = {"ports": [_open(HTTP_PORT)]}
    if bundle.ingress_from:
        api["from"] = list(bundle.ingress_from)
    management: Object = {
        "ports": [_open(MANAGEMENT_PORT)],
        "from": [{"namespaceSelector": {}}],
    }
    egress: list[Object] = [
        {"ports": [_open(_DNS_PORT, "UDP"), _open(_DNS_PORT)]},
        *_towards(databases),
    ]
    if bundle.telemetry.endpoint:
        egress.append({"ports": [_open(_endpoint_port(bundle.telemetry.endpoint))]})
    return {
        "podSelector": {"matchLabels": dict(pods)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [api, management],
        "egress": egress,
    }


def _open(port: int, protocol: str = "TCP") -> Object:
    return {"protocol": protocol, "port": port}


def _towards(databases: Sequence[Address]) -> list[Object]:
    rules: list[Object] = []
    for host, port in databases or [Address("", POSTGRES_PORT)]:
        rule: Object = {"ports": [_open(port)]}
        # A policy knows addresses only, and those of a name change; its port has to do.
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
