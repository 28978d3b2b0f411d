"""Who may reach a bundle's pods, and how: `spec.auth` and `spec.tls` as typed values."""

from dataclasses import dataclass

from chekov_operator.api.event_store import SecretKey
from chekov_operator.api.reference_names import DATA_KEY
from chekov_operator.api.spec import InvalidSpec, parse_name
from chekov_operator.kube.objects import nested

_AUTH = "spec.auth"


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose JSON Web Tokens the API accepts; one of `keys_url` and `keys` says by which keys."""

    issuer: str
    audience: str
    keys_url: str | None = None
    keys: SecretKey | None = None
    """The key of a ConfigMap that holds them."""


@dataclass(frozen=True, slots=True)
class Access:
    """What requests to a bundle's pods need.

    Attributes:
        tokens: the Secret with bearer tokens for the API.
        issuer: of JSON Web Tokens for the API.
        management_token: of the port for management.
        certificate: the Secret with the certificate of both ports.
    """

    tokens: str | None = None
    issuer: Issuer | None = None
    management_token: SecretKey | None = None
    certificate: str | None = None


def parse_access(spec: object) -> Access:
    """Parse `auth` and `tls` of a DomainBundle's spec.

    Raises:
        InvalidSpec: a field is invalid.
    """
    return Access(
        tokens=_name(spec, "auth", "tokens"),
        issuer=_issuer(nested(spec, "auth", "jwt")),
        management_token=_key(
            nested(spec, "auth", "managementToken", "secretRef"),
            f"{_AUTH}.managementToken.secretRef",
        ),
        certificate=_name(spec, "tls"),
    )


def _issuer(given: object) -> Issuer | None:
    if given is None:
        return None
    url, reference = nested(given, "keys", "url"), nested(given, "keys", "configMapRef")
    if bool(url) == bool(reference):
        raise InvalidSpec(f"{_AUTH}.jwt.keys", "set exactly one of url and configMapRef")
    if url and not str(url).startswith("https://"):
        raise InvalidSpec(f"{_AUTH}.jwt.keys.url", "must begin with https://")
    issuer, audience = nested(given, "issuer"), nested(given, "audience")
    if not issuer or not audience:
        raise InvalidSpec(f"{_AUTH}.jwt", "needs an issuer and an audience")
    return Issuer(
        str(issuer),
        str(audience),
        keys_url=str(url) if url else None,
        keys=_key(reference, f"{_AUTH}.jwt.keys.configMapRef"),
    )


def _name(spec: object, *fields: str) -> str | None:
    reference = nested(spec, *fields, "secretRef")
    path = ".".join(("spec", *fields, "secretRef"))
    return None if reference is None else parse_name(reference, "name", path)


def _key(reference: object, path: str) -> SecretKey | None:
    if reference is None:
        return None
    return SecretKey(
        parse_name(reference, "name", path), parse_name(reference, "key", path, DATA_KEY)
    )
