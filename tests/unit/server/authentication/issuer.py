"""An identity provider: keys, and tokens that they sign."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://issuer.example"
AUDIENCE = "shop"

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()

RSA_PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_set(**keys: Any) -> bytes:
    """A JWKS document with the public halves of these keys, by their ids."""
    return json.dumps({"keys": [{**public(key), "kid": kid} for kid, key in keys.items()]}).encode()


def public(key: Any) -> dict[str, Any]:
    """The public half of a key, as a member of a JWKS document."""
    if isinstance(key, rsa.RSAPrivateKey):
        return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)


def claims(**changed: Any) -> dict[str, Any]:
    """What a valid token says, with changes; `None` leaves a claim out."""
    given = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ada",
        "exp": time.time() + 600,
        **changed,
    }
    return {name: value for name, value in given.items() if value is not None}


def token(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "rsa", **changed: Any) -> str:
    """A signed token."""
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(claims(**changed), key, algorithm=algorithm, headers=headers)


def forged(header: dict[str, Any], secret: bytes | None = None, **changed: Any) -> str:
    """A token that no library would make: any header, signed with a secret or not at all."""
    parts = [_base64(json.dumps(part).encode()) for part in (header, claims(**changed))]
    content = b".".join(parts)
    signature = hmac.digest(secret, content, hashlib.sha256) if secret else b""
    return b".".join((content, _base64(signature))).decode()


def _base64(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")
