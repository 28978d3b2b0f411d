"""Authentication and TLS in a bundle's pods: variables, and volumes with Secrets.

Files of a mounted Secret follow its changes, and the runtime reads them again: only a new
management token, which is a variable, needs new pods.
"""

from collections.abc import Sequence
from typing import Final

from chekov_operator.api.bundle_access import Access
from chekov_operator.api.event_store import SecretKey
from chekov_operator.kube.objects import Object

_TOKENS: Final = "/etc/chekov/tokens"
_KEYS: Final = "/etc/chekov/keys"
_TLS: Final = "/etc/chekov/tls"
_READABLE_BY_GROUP: Final = 0o440


def variables(access: Access) -> list[Object]:
    """The settings of the runtime."""
    found: list[Object] = []
    if access.tokens:
        found.append(_variable("CHEKOV_AUTH_TOKENS", _TOKENS))
    if access.issuer:
        issuer = access.issuer
        keys = issuer.keys_url or f"{_KEYS}/jwks.json"
        found.append(_variable("CHEKOV_AUTH_JWT_ISSUER", issuer.issuer))
        found.append(_variable("CHEKOV_AUTH_JWT_AUDIENCE", issuer.audience))
        found.append(_variable("CHEKOV_AUTH_JWT_KEYS", keys))
    if access.management_token:
        found.append(_from_secret("CHEKOV_MANAGEMENT_TOKEN", access.management_token))
    if access.certificate:
        found.append(_variable("CHEKOV_TLS_CERTIFICATE_FILE", f"{_TLS}/tls.crt"))
        found.append(_variable("CHEKOV_TLS_KEY_FILE", f"{_TLS}/tls.key"))
    return found


def mounts(access: Access) -> list[Object]:
    """Where the container finds the volumes."""
    places = {"tokens": _TOKENS, "keys": _KEYS, "tls": _TLS}
    return [
        {"name": item["name"], "mountPath": places[item["name"]], "readOnly": True}
        for item in volumes(access)
    ]


def volumes(access: Access) -> Sequence[Object]:
    """The Secrets and the ConfigMap with keys."""
    found: list[Object] = []
    if access.tokens:
        found.append(_secret("tokens", access.tokens))
    if access.issuer and access.issuer.keys:
        name, key = access.issuer.keys.name, access.issuer.keys.key
        items = [{"key": key, "path": "jwks.json"}]
        found.append({"name": "keys", "configMap": {"name": name, "items": items}})
    if access.certificate:
        found.append(_secret("tls", access.certificate))
    return found


def _secret(volume: str, name: str) -> Object:
    return {"name": volume, "secret": {"secretName": name, "defaultMode": _READABLE_BY_GROUP}}


def _variable(name: str, value: str) -> Object:
    return {"name": name, "value": value}


def _from_secret(name: str, secret: SecretKey) -> Object:
    reference = {"name": secret.name, "key": secret.key}
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}
