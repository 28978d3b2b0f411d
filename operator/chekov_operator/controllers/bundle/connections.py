"""Whether the Postgres server of a bundle has connections left for its next pods. Pure.

Servers take a fixed number, and one that has none left refuses everybody: also the pods that serve,
when they reconnect. So a pod that might take the last of them is not made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from chekov.store.postgres.pool import POOL_SIZE, most_connections
from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.pod_template import RUNTIME_CONTAINER
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.pod_counts import Limits, Pods, growth, next_counts
from chekov_operator.kube.content import Content
from chekov_operator.kube.kinds import CONFIG_MAP, SECRET
from chekov_operator.kube.objects import Object, nested, nested_list

LOOK_SECONDS: Final = 10.0
"""Between two looks at a server whose connections are awaited."""
_VARIABLE: Final = "CHEKOV_POOL_SIZE"


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections of a server, beside those that a pod may take.

    Attributes:
        needed: by a pod of the bundle, at most.
        used: of the server, by whoever has them.
        limit: how many it takes, without those that it reserves.
    """

    needed: int
    used: int
    limit: int

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)

    def room(self, target: str, now: Mapping[str, Pods]) -> int:
        """For how many more pods there are connections, beside the pods that are starting.

        A stuck pod of another revision does not count, beyond the connections that it has: it must
        not keep out the revision that takes its place.
        """
        grown = now.get(target, Pods(0, 0))
        others = sum(pods.starting for name, pods in now.items() if name != target)
        return max(0, self.left // self.needed - others - max(0, grown.wanted - grown.ready))

    def are_short(self, target: str, now: Mapping[str, Pods], limits: Limits) -> bool:
        """Whether a pod would be made next, but there are none for it, and no other one starts."""
        grown = now.get(target, Pods(0, 0))
        others = any(pods.starting for name, pods in now.items() if name != target)
        is_starting = others or grown.ready < grown.wanted
        is_wanted = growth(next_counts(target, now, limits), now) > 0
        return is_wanted and not is_starting and not self.room(target, now)


def connections_of(bundle: Bundle, observed: ObservedBundle) -> Connections | None:
    """What is known of them; `None` if it is not enough to say that they do not suffice."""
    server = observed.server
    size = _pool_size(bundle, observed.contents)
    if server is None or server.limit <= 0 or size is None:
        return None
    return Connections(most_connections(size), server.used, server.limit)


def connections_in(status: object) -> Connections | None:
    """What a rollout waited for according to a status."""
    given = nested(status, "connections")
    numbers = [nested(given, name) for name in ("needed", "used", "limit")]
    if not all(isinstance(each, int) for each in numbers) or not numbers[0]:
        return None
    return Connections(*cast("list[int]", numbers))


def _pool_size(bundle: Bundle, contents: Mapping[tuple[str, str], Content | None]) -> int | None:
    """The size of the pool of each pod; `None` if only its Secret or a field of the pod has it."""
    containers = nested_list(bundle.pod_template, "spec", "containers")
    own = [item for item in containers if item.get("name") == RUNTIME_CONTAINER]
    for variables in (*(nested_list(item, "env") for item in own), bundle.env):
        for item in variables:
            if item.get("name") == _VARIABLE:
                return _number(_value(item, contents))
    sources = [source for item in own for source in nested_list(item, "envFrom")]
    for source in reversed([*bundle.env_from, *sources]):
        key = _VARIABLE.removeprefix(str(source.get("prefix") or ""))
        found = _referred(source, "configMapRef", "secretRef", contents)
        if found is not None and key in found.digests:
            return _number(found.data.get(key))
    return POOL_SIZE


def _value(item: Object, contents: Mapping[tuple[str, str], Content | None]) -> str | None:
    source: Any = item.get("valueFrom")
    if source is None:
        return item.get("value")
    found = _referred(source, "configMapKeyRef", "secretKeyRef", contents)
    key = nested(source, "configMapKeyRef", "key") or ""
    return found.data.get(key) if found is not None else None


def _referred(
    source: object,
    config_map: str,
    secret: str,
    contents: Mapping[tuple[str, str], Content | None],
) -> Content | None:
    for field, kind in ((config_map, CONFIG_MAP), (secret, SECRET)):
        name = nested(source, field, "name")
        if name:
            return contents.get((kind.name, str(name)))
    return None


def _number(text: str | None) -> int | None:
    """A size that a runtime would take; an empty variable counts as unset."""
    if text == "":
        return POOL_SIZE
    is_usable = text is not None and text.isascii() and text.isdecimal() and int(text) > 0
    return int(text) if text is not None and is_usable else None
