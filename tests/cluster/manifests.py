"""The objects that tests apply."""

from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]

PASSWORD = "tests-only"
LOCAL_DSN = f"postgresql://chekov:{PASSWORD}@127.0.0.1:5432/chekov"

# Postgres refuses to run as root; its data must survive its process, but not its pod.
_POSTGRES = """
mkdir -p /data/base /data/run && chown -R postgres /data && chmod 700 /data/base
as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
if [ ! -f /data/made ]; then
  rm -rf /data/base/*
  printf '%s' "$PASSWORD" > /tmp/password
  as_postgres initdb --pgdata=/data/base --username=chekov --pwfile=/tmp/password \
    --auth=scram-sha-256 --no-sync >/dev/null
  echo 'host all all all scram-sha-256' >> /data/base/pg_hba.conf
  echo "create database chekov" | PGPASSWORD=$PASSWORD as_postgres \
    postgres --single -D /data/base postgres >/dev/null
  touch /data/made
fi
exec setpriv --reuid=postgres --regid=postgres --init-groups postgres -D /data/base \
  -c listen_addresses='*' -c unix_socket_directories=/data/run -c max_connections=200
"""


def named(kind: str, api: str, name: str, **content: Any) -> Manifest:
    """An object of a kind."""
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **content}


def container(name: str, image: str, *command: str, **settings: Any) -> Manifest:
    """A container of an image that the node has."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        **settings,
    }


def pod(name: str, spec: Manifest) -> Manifest:
    """A pod that runs once and is killed without a grace period."""
    settings = {"terminationGracePeriodSeconds": 0, "restartPolicy": "Never"}
    return named("Pod", "v1", name, spec={**settings, **spec})


def service(name: str, ports: Mapping[str, int], labels: Mapping[str, str]) -> Manifest:
    """A Service for the pods with these labels."""
    listed = [{"name": key, "port": port} for key, port in ports.items()]
    return named("Service", "v1", name, spec={"selector": dict(labels), "ports": listed})


def secret(name: str, **values: str) -> Manifest:
    """A Secret."""
    return named("Secret", "v1", name, stringData=values)


def config_map(name: str, **values: str) -> Manifest:
    """A ConfigMap; `load__py` names the key load.py."""
    data = {key.replace("__", "."): value for key, value in values.items()}
    return named("ConfigMap", "v1", name, data=data)


def postgres(image: str, namespace: str) -> list[Manifest]:
    """A Postgres whose data survives its process, its Service, and a Secret with its DSN."""
    # The operator runs in another namespace and has to resolve the name too.
    dsn = LOCAL_DSN.replace("127.0.0.1", f"postgres.{namespace}.svc")
    labels = {"app": "postgres"}
    checked = {"exec": {"command": ["pg_isready", "-h", "127.0.0.1", "-U", "chekov"]}}
    server = container(
        "postgres",
        image,
        "bash",
        "-euc",
        _POSTGRES,
        env=[{"name": "PASSWORD", "value": PASSWORD}],
        readinessProbe={**checked, "periodSeconds": 1, "timeoutSeconds": 5},
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
    )
    template: Manifest = {
        "metadata": {"labels": labels},
        "spec": {
            "containers": [server],
            "volumes": [{"name": "data", "emptyDir": {}}],
            "terminationGracePeriodSeconds": 2,
        },
    }
    spec: Manifest = {
        "serviceName": "postgres",
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": template,
    }
    return [
        secret("bank-postgres", dsn=dsn),
        service("postgres", {"postgres": 5432}, labels),
        named("StatefulSet", "apps/v1", "postgres", spec=spec),
    ]


def event_store(name: str = "main", *, key: str = "dsn", secret: str = "bank-postgres") -> Manifest:
    """The store in the Postgres above, or whichever a Secret names."""
    connection = {"secretRef": {"name": secret, "key": key}}
    spec = {"connection": connection, "schema": "chekov", "migrate": "Auto"}
    return named("EventStore", "chekov.dev/v1alpha1", name, spec=spec)


def bundle(name: str, code: Manifest, **settings: Any) -> Manifest:
    """A bundle of the bank, two replicas of it."""
    spec = {
        "eventStoreRef": {"name": "main"},
        "code": code,
        "entrypoint": "bank:domain",
        "replicas": 2,
        **settings,
    }
    return named("DomainBundle", "chekov.dev/v1alpha1", name, spec=spec)


def inline(source: str, module: str = "bank.py") -> Manifest:
    """Inline code."""
    return {"inline": {"modules": {module: source}}}


def metrics_api(address: str, port: int) -> list[Manifest]:
    """Lets the API server answer requests for metrics with what a metrics server says.

    Args:
        address: of the metrics server, which runs in no pod.
        port: its port.
    """
    name, namespace = "metrics-server", {"namespace": "kube-system"}
    ports = [{"name": "https", "port": port, "protocol": "TCP"}]
    service = named("Service", "v1", name, spec={"ports": ports})
    endpoints = named(
        "EndpointSlice",
        "discovery.k8s.io/v1",
        name,
        addressType="IPv4",
        endpoints=[{"addresses": [address], "conditions": {"ready": True}}],
        ports=ports,
    )
    endpoints["metadata"]["labels"] = {"kubernetes.io/service-name": name}
    for body in (service, endpoints):
        body["metadata"] |= namespace
    spec: Manifest = {
        "group": "metrics.k8s.io",
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"name": name, "port": port, **namespace},
    }
    api = named("APIService", "apiregistration.k8s.io/v1", "v1beta1.metrics.k8s.io", spec=spec)
    return [service, endpoints, api]


def script_pod(name: str, image: str, source: str, *words: str) -> list[Manifest]:
    """A pod that runs a Python script with the libraries of the runtime's image."""
    mounted = [{"name": "script", "mountPath": "/script"}]
    program = container(name, image, "python", "/script/main.py", *words, volumeMounts=mounted)
    volume = {"name": "script", "configMap": {"name": name}}
    content = config_map(name, main__py=source)
    return [content, pod(name, {"containers": [program], "volumes": [volume]})]


def toolbox(image: str) -> Manifest:
    """A pod for running small programs on the pods' network."""
    waiting = container("toolbox", image, "sleep", "infinity")
    return pod("toolbox", {"containers": [waiting]})


def killer(image: str) -> Manifest:
    """A pod that may kill every process of the node."""
    security = {"runAsUser": 0}
    waiting = container("killer", image, "sleep", "infinity", securityContext=security)
    return pod("killer", {"containers": [waiting], "hostPID": True})


def prometheus(image: str, files: Mapping[str, str]) -> list[Manifest]:
    """A Prometheus with these files, of which prometheus.yaml is its configuration."""
    labels = {"app": "prometheus"}
    server = container(
        "prometheus",
        image,
        "prometheus",
        "--config.file=/configuration/prometheus.yaml",
        "--storage.tsdb.path=/tmp/data",
        readinessProbe={"httpGet": {"path": "/-/ready", "port": 9090}, "periodSeconds": 1},
        volumeMounts=[{"name": "configuration", "mountPath": "/configuration"}],
    )
    volume = {"name": "configuration", "configMap": {"name": "prometheus"}}
    spec = {"containers": [server], "volumes": [volume], "serviceAccountName": "prometheus"}
    made = pod("prometheus", spec)
    made["metadata"]["labels"] = labels
    return [
        named("ConfigMap", "v1", "prometheus", data=dict(files)),
        service("prometheus", {"http": 9090}, labels),
        made,
    ]
