"""The configuration files of the node's components."""

import json

from tests.cluster.kube.layout import BRIDGE, FIRST, PAUSE_IMAGE, WORKER_TAINT, Layout
from tests.cluster.kube.packages import CNI_PLUGINS


def write_configuration(layout: Layout) -> None:
    """Write every file that a component is started with."""
    (layout.folder / "cni").mkdir(parents=True, exist_ok=True)
    files = {
        "containerd.toml": _containerd(layout, disabled=""),
        "cleaning.toml": _containerd(layout, disabled='"io.containerd.grpc.v1.cri"'),
        "kubelet.json": json.dumps(_kubelet(layout), indent=1),
        "cni/10-chekov.conflist": json.dumps(_network(layout), indent=1),
        "Corefile": _names(layout),
        "resolv.conf": "",
    }
    for name, content in files.items():
        (layout.folder / name).write_text(content)


def _containerd(layout: Layout, *, disabled: str) -> str:
    # Unrestricted, a root that may not lower an OOM score cannot start the pause container.
    return f"""version = 2
root = "{layout.folder}/containerd"
state = "/run/containerd"
disabled_plugins = [{disabled}]
[grpc]
  address = "{layout.containerd_socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{layout.folder}/cni"
"""


def _kubelet(layout: Layout) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(layout.pki / f"{layout.node.user}.crt"),
        "tlsPrivateKeyFile": str(layout.pki / f"{layout.node.user}.key"),
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.node.name}",
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "clusterDomain": "cluster.local",
        "clusterDNS": [FIRST.gateway],
        "resolvConf": str(layout.folder / "resolv.conf"),
        "maxPods": 200,
        # Pods that a worker is not meant for go to the first node.
        "registerWithTaints": [WORKER_TAINT] if layout.node.number else [],
        "shutdownGracePeriod": "0s",
        "syncFrequency": "10s",
    }


def _network(layout: Layout) -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "dataDir": str(layout.folder / "addresses"),
        "ranges": [[{"subnet": layout.node.pods, "gateway": layout.node.gateway}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": addresses,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": FIRST.name, "plugins": [bridge, ports]}


def _names(layout: Layout) -> str:
    return f""".:53 {{
  bind {FIRST.gateway}
  errors
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {layout.kubeconfig()} {FIRST.name}
    ttl 5
  }}
  cache 5
}}
"""
