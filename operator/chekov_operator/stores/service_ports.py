"""The ports of the pods behind a Service, which a NetworkPolicy has to allow.

Most network plugins look at a packet after the address and the port of a Service were replaced by
those of a pod.
"""

from collections.abc import Iterable
from http import HTTPStatus

from chekov_operator.api.reference_names import LABEL
from chekov_operator.kube.api_error import ApiError
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import ENDPOINT_SLICE, SERVICE
from chekov_operator.kube.objects import Object, nested, nested_list
from chekov_operator.stores.dsn import Address

_OF_SERVICE = "kubernetes.io/service-name"


async def pod_ports(client: Client, addresses: Iterable[Address]) -> tuple[int, ...]:
    """The ports behind the addresses that name Services, where they differ from those.

    Raises:
        ApiUnavailable: the API server does not answer.
    """
    found: set[int] = set()
    for address in addresses:
        place = _service_of(address.host)
        if place is None:
            continue
        try:
            found |= await _ports(client, *place, address.port)
        except ApiError as error:
            # Without the right to read that namespace, nothing is known of the Service.
            if error.status != HTTPStatus.FORBIDDEN:
                raise
        found.discard(address.port)
    return tuple(sorted(found))


async def _ports(client: Client, namespace: str, name: str, port: int) -> set[int]:
    service = await client.get(SERVICE, namespace, name)
    entries = [item for item in nested_list(service, "spec", "ports") if item.get("port") == port]
    found: set[int] = set()
    for entry in entries:
        target = entry.get("targetPort", port)
        if isinstance(target, int):
            found.add(target)
        else:
            found |= await _named_ports(client, namespace, name, entry)
    return found


async def _named_ports(client: Client, namespace: str, name: str, entry: Object) -> set[int]:
    slices = await client.list(ENDPOINT_SLICE, namespace, {_OF_SERVICE: name})
    return {
        item["port"]
        for body in slices
        for item in nested_list(body, "ports")
        if (item.get("name") or "") == (entry.get("name") or "") and nested(item, "port")
    }


def _service_of(host: str) -> tuple[str, str] | None:
    """Namespace and name of the Service that a host name may be."""
    name, *rest = host.split(".")
    namespace = rest[0] if rest else ""
    if len(rest) > 1 and rest[1] != "svc":
        return None
    return (namespace, name) if LABEL.accepts(name) and LABEL.accepts(namespace) else None
