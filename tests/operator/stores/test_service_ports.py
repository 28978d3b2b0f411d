"""Ports of the pods behind the Service of a database."""

from typing import Any

import pytest

from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import ENDPOINT_SLICE, SERVICE
from chekov_operator.stores.dsn import Address
from chekov_operator.stores.service_ports import pod_ports
from tests.operator.fake_api import FakeApi

HOST = "postgres.shops.svc"


def give(api: FakeApi, *ports: dict[str, Any]) -> None:
    api.put(SERVICE.path("shops", "postgres"), {"spec": {"ports": list(ports)}})


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"port": 6432, "targetPort": 5432}, (5432,)),
        ({"port": 6432, "targetPort": 6432}, ()),
        ({"port": 6432}, ()),
        ({"port": 9999, "targetPort": 5432}, ()),
    ],
)
async def test_a_port_behind_the_service_is_found(
    api: FakeApi, client: Client, entry: dict[str, Any], found: tuple[int, ...]
) -> None:
    give(api, entry)
    assert await pod_ports(client, [Address(HOST, 6432)]) == found


async def test_a_port_with_a_name_is_that_of_the_endpoints(api: FakeApi, client: Client) -> None:
    give(api, {"name": "sql", "port": 6432, "targetPort": "postgres"})
    ports = [{"name": "sql", "port": 5433}, {"name": "metrics", "port": 9187}]
    labels = {"kubernetes.io/service-name": "postgres"}
    path = ENDPOINT_SLICE.path("shops", "postgres-1")
    api.put(path, {"metadata": {"labels": labels}, "ports": ports})
    assert await pod_ports(client, [Address(HOST, 6432)]) == (5433,)


@pytest.mark.parametrize(
    "host", ["10.1.2.3", "fd00::5", "/run/postgres", "db.example.com", "localhost", "Db_1.shops"]
)
async def test_other_hosts_are_not_asked_for(api: FakeApi, client: Client, host: str) -> None:
    assert await pod_ports(client, [Address(host, 5432)]) == ()
    assert api.requests == []


@pytest.mark.parametrize("status", [403, 404])
async def test_of_a_service_that_cannot_be_read_nothing_is_known(
    api: FakeApi, client: Client, status: int
) -> None:
    api.fail("GET", "postgres", status, "Forbidden")
    assert await pod_ports(client, [Address("postgres.shops", 5432)]) == ()
