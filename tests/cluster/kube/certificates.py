"""The cluster's certificate authority, and a certificate and a kubeconfig for each user."""

import json
from dataclasses import dataclass

from tests.cluster.kube.layout import API_SERVICE, FIRST, Layout, Node
from tests.cluster.kube.shell import run

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_DAYS = ("-days", "365")


@dataclass(frozen=True, slots=True)
class User:
    """A user of the cluster.

    Attributes:
        name: Names the files.
        subject: The name, and group, that Kubernetes reads from the certificate.
        addresses: Where it serves, if it does, as openssl words it.
    """

    name: str
    subject: str
    addresses: str = ""


USERS = (
    User(
        "apiserver",
        "/CN=apiserver",
        "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,"
        f"IP:127.0.0.1,IP:{API_SERVICE},IP:{FIRST.address},IP:{FIRST.gateway}",
    ),
    User("aggregator", "/CN=aggregator"),
    User("admin", "/O=system:masters/CN=admin"),
    User("controller-manager", "/CN=system:kube-controller-manager"),
    User("scheduler", "/CN=system:kube-scheduler"),
    User("proxy", "/CN=system:kube-proxy"),
)


def make_certificates(layout: Layout) -> None:
    """Create everything, unless it is there for the same users."""
    pki = layout.pki
    done = pki / "done"
    if done.exists() and done.read_text() == repr((*USERS, _user_of(FIRST))):
        return
    pki.mkdir(parents=True, exist_ok=True)
    authority = ("-keyout", pki / "ca.key", "-out", pki / "ca.crt", "-subj", "/CN=chekov-cluster")
    run("openssl", "req", "-x509", *_NEW_KEY, *_DAYS, *authority)
    for user in USERS:
        _certify(layout, user)
        _write_kubeconfig(layout, user)
    make_node_certificate(layout)
    tokens = pki / "service-accounts.key"
    run(
        "openssl",
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-out",
        tokens,
    )
    run("openssl", "rsa", "-in", tokens, "-pubout", "-out", pki / "service-accounts.pub")
    done.write_text(repr((*USERS, _user_of(FIRST))))


def make_node_certificate(layout: Layout) -> None:
    """Create a certificate and a kubeconfig for the node."""
    user = _user_of(layout.node)
    _certify(layout, user)
    _write_kubeconfig(layout, user)


def _user_of(node: Node) -> User:
    subject = f"/O=system:nodes/CN=system:node:{node.name}"
    return User(node.user, subject, f"DNS:{node.name},IP:{node.address}")


def _certify(layout: Layout, user: User) -> None:
    pki = layout.pki
    key, request, certificate = (pki / f"{user.name}.{end}" for end in ("key", "csr", "crt"))
    run("openssl", "req", *_NEW_KEY, "-keyout", key, "-out", request, "-subj", user.subject)
    extensions = pki / f"{user.name}.ext"
    names = user.addresses or f"DNS:{user.name}"
    extensions.write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n")
    signer = ("-CA", pki / "ca.crt", "-CAkey", pki / "ca.key", "-CAcreateserial")
    out = ("-out", certificate, "-extfile", extensions)
    run("openssl", "x509", "-req", "-in", request, *signer, *_DAYS, *out)


def _write_kubeconfig(layout: Layout, user: User) -> None:
    cluster = {"server": layout.server, "certificate-authority": str(layout.pki / "ca.crt")}
    identity = {
        "client-certificate": str(layout.pki / f"{user.name}.crt"),
        "client-key": str(layout.pki / f"{user.name}.key"),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": FIRST.name, "cluster": cluster}],
        "users": [{"name": user.name, "user": identity}],
        "contexts": [{"name": FIRST.name, "context": {"cluster": FIRST.name, "user": user.name}}],
        "current-context": FIRST.name,
    }
    layout.kubeconfig(user.name).write_text(json.dumps(config, indent=1))
