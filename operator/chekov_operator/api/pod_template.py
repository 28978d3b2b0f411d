"""What the pod template of a bundle may say: nothing that weakens the security of its pods.

Whatever a template adds, the pods follow the profile "restricted" of Kubernetes's Pod Security
Standards, get no token for the API server, and run what the operator starts. The resource
definition holds the same rules, except those about probes and annotations. Objects that were stored
before it had them are refused here.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, cast

from chekov_operator.api.spec import InvalidSpec
from chekov_operator.kube.objects import nested

RUNTIME_CONTAINER: Final = "runtime"
OWN_VARIABLES: Final = frozenset(
    {
        "CHEKOV_STORE",
        "CHEKOV_SCHEMA",
        "CHEKOV_DOMAIN",
        "CHEKOV_NODE",
        "CHEKOV_BUNDLE",
        "CHEKOV_REVISION",
        "CHEKOV_HTTP_HOST",
        "CHEKOV_HTTP_PORT",
        "CHEKOV_MANAGEMENT_PORT",
    }
)
"""Variables that the operator alone sets."""
OWN_VOLUMES: Final = frozenset({"tmp", "code", "tokens", "keys", "tls"})
OWN_PLACES: Final = (
    "/etc/chekov/bundle",
    "/etc/chekov/tokens",
    "/etc/chekov/keys",
    "/etc/chekov/tls",
)
"""Where the operator mounts the code, and what the runtime authenticates by."""
VOLUMES: Final = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
PROJECTED: Final = frozenset({"clusterTrustBundle", "configMap", "downwardAPI", "secret"})
"""Without tokens of service accounts and certificates of pods, which are for the API server."""
SAFE_SYSCTLS: Final = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
_SELINUX_TYPES: Final = frozenset(
    {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
)
_PROFILES: Final = frozenset({"RuntimeDefault", "Localhost"})
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"


class _Rule(NamedTuple):
    """What a field may hold where it is given.

    Attributes:
        field: below a pod's spec or a container; `[]` stands for each item of a list.
        allows: whether it may hold a value.
        expected: what it may hold, in words.
    """

    field: str
    allows: Callable[[object], bool]
    expected: str


def _is(wanted: object) -> Callable[[object], bool]:
    return lambda value: type(value) is type(wanted) and value == wanted


def _one_of(allowed: frozenset[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and value in allowed


def _is_user(value: object) -> bool:
    # Without one, the image's own user counts, who must not be root either.
    return value is None or (isinstance(value, int) and value > 0)


def _drops_all(value: object) -> bool:
    return isinstance(value, list) and "ALL" in cast("list[object]", value)


def _is_outside_own_places(value: object) -> bool:
    path = str(value).rstrip("/") + "/"
    return not any(path.startswith(f"{place}/") for place in OWN_PLACES)


def _is_variable_of_user(value: object) -> bool:
    return value not in OWN_VARIABLES


def _never(_value: object) -> bool:
    return False


_OF_BOTH: Final = (
    _Rule("securityContext.runAsNonRoot", _is(wanted=True), "true"),
    _Rule("securityContext.runAsUser", _is_user, "a user other than root"),
    _Rule("securityContext.seccompProfile.type", _one_of(_PROFILES), "RuntimeDefault or Localhost"),
    _Rule(
        "securityContext.appArmorProfile.type", _one_of(_PROFILES), "RuntimeDefault or Localhost"
    ),
    _Rule(
        "securityContext.seLinuxOptions.type",
        _one_of(_SELINUX_TYPES),
        "container_t, container_init_t, container_kvm_t or container_engine_t",
    ),
    _Rule("securityContext.seLinuxOptions.user", _is(""), "no user"),
    _Rule("securityContext.seLinuxOptions.role", _is(""), "no role"),
    _Rule("securityContext.windowsOptions.hostProcess", _is(wanted=False), "false"),
)
_OF_PODS: Final = (
    _Rule("hostNetwork", _is(wanted=False), "false"),
    _Rule("hostPID", _is(wanted=False), "false"),
    _Rule("hostIPC", _is(wanted=False), "false"),
    _Rule("automountServiceAccountToken", _is(wanted=False), "false"),
    _Rule("ephemeralContainers", _is(cast("list[object]", [])), "no containers"),
    _Rule(
        "securityContext.sysctls[].name", _one_of(SAFE_SYSCTLS), "one that concerns the pod alone"
    ),
    *_OF_BOTH,
)
_HANDLERS: Final = (
    *("livenessProbe", "readinessProbe", "startupProbe"),
    *("lifecycle.postStart", "lifecycle.preStop"),
)
_OF_CONTAINERS: Final = (
    *_OF_BOTH,
    _Rule("securityContext.privileged", _is(wanted=False), "false"),
    _Rule("securityContext.allowPrivilegeEscalation", _is(wanted=False), "false"),
    _Rule("securityContext.capabilities.add[]", _is("NET_BIND_SERVICE"), "NET_BIND_SERVICE"),
    _Rule("securityContext.capabilities.drop", _drops_all, "a list with ALL"),
    _Rule("securityContext.procMount", _is("Default"), "Default"),
    _Rule("ports[].hostPort", _is(0), "no port of the node"),
    *(
        _Rule(f"{handler}.{kind}.host", _is(""), "no other host than the pod")
        for handler in _HANDLERS
        for kind in ("httpGet", "tcpSocket")
    ),
)
_OF_THE_RUNTIME: Final = (
    _Rule("image", _never, "nothing, since spec.code says what runs"),
    _Rule("command", _never, "nothing, since the operator starts the runtime"),
    _Rule("args", _never, "nothing, since the operator starts the runtime"),
    _Rule("env[].name", _is_variable_of_user, "no variable that the operator sets"),
    _Rule(
        "volumeMounts[].mountPath",
        _is_outside_own_places,
        "no place where the operator mounts something",
    ),
)


def check_pod_template(template: object) -> None:
    """Refuse a pod template that would weaken the pods, or make something else of them.

    Raises:
        InvalidSpec: for the first field at fault.
    """
    path = "spec.podTemplate"
    for name, value in _mapping(nested(template, "metadata", "annotations")).items():
        if name.startswith(_APPARMOR) and str(value) == "unconfined":
            raise InvalidSpec(f"{path}.metadata.annotations[{name}]", "expected no such profile")
    spec, path = nested(template, "spec"), f"{path}.spec"
    _check(spec, path, _OF_PODS)
    _check_volumes(nested(spec, "volumes"), f"{path}.volumes")
    for field in ("containers", "initContainers"):
        _check_containers(nested(spec, field), f"{path}.{field}")


def _check_containers(containers: object, path: str) -> None:
    for index, container in enumerate(_items(containers, path, "containers")):
        here = f"{path}[{index}]"
        name = nested(container, "name")
        if not isinstance(name, str):
            raise InvalidSpec(here, "expected a container with a name")
        _check(container, here, _OF_CONTAINERS)
        if name == RUNTIME_CONTAINER:
            _check(container, here, _OF_THE_RUNTIME)


def _check_volumes(volumes: object, path: str) -> None:
    for index, volume in enumerate(_items(volumes, path, "volumes")):
        here = f"{path}[{index}]"
        if nested(volume, "name") in OWN_VOLUMES:
            raise InvalidSpec(f"{here}.name", "expected another name: the operator has this volume")
        _check_source(volume, here, VOLUMES)
        sources = nested(volume, "projected", "sources")
        for number, source in enumerate(_items(sources, f"{here}.projected.sources", "sources")):
            _check_source(source, f"{here}.projected.sources[{number}]", PROJECTED)


def _check_source(volume: object, path: str, allowed: frozenset[str]) -> None:
    given = _mapping(volume).keys() - {"name"}
    if not given or not given <= allowed:
        raise InvalidSpec(path, f"expected one of {', '.join(sorted(allowed))}")


def _check(body: object, path: str, rules: Iterable[_Rule]) -> None:
    for rule in rules:
        for where, value in _given(body, path, rule.field.split(".")):
            if not rule.allows(value):
                raise InvalidSpec(where, f"expected {rule.expected}; a pod template weakens no pod")


def _given(body: object, path: str, steps: list[str]) -> Iterable[tuple[str, object]]:
    """The values of a field, where it is given, with the path of each.

    Raises:
        InvalidSpec: what should hold the field is no object. To merge it would drop what it holds.
    """
    if not steps:
        yield path, body
        return
    if body is not None and not _is_mapping(body):
        raise InvalidSpec(path, "expected an object")
    name, is_list = steps[0].removesuffix("[]"), steps[0].endswith("[]")
    held = _mapping(body)
    if name not in held:
        return
    value, path = held[name], f"{path}.{name}"
    if is_list:
        for index, item in enumerate(_items(value, path, "values")):
            yield from _given(item, f"{path}[{index}]", steps[1:])
    elif len(steps) > 1 and not _is_mapping(value):
        raise InvalidSpec(path, "expected an object")
    else:
        yield from _given(value, path, steps[1:])


def _items(value: object, path: str, what: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidSpec(path, f"expected a list of {what}")
    return cast("list[object]", value)


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}
