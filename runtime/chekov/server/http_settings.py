"""The settings of the two ports: addresses, limits, who may come, and TLS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chekov.server import setting_parsers as parsers
from chekov.server.setting_parsers import setting

_TOGETHER: Final = (
    ("CHEKOV_AUTH_JWT_ISSUER", "CHEKOV_AUTH_JWT_AUDIENCE", "CHEKOV_AUTH_JWT_KEYS"),
    ("CHEKOV_TLS_CERTIFICATE_FILE", "CHEKOV_TLS_KEY_FILE"),
)


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How a process is reached."""

    http_host: str = setting(
        "CHEKOV_HTTP_HOST",
        "0.0.0.0",  # noqa: S104
        "Address that both listeners bind to.",
        parsers.text,
    )
    http_port: int = setting("CHEKOV_HTTP_PORT", 8080, "Port of the API.", parsers.port)
    management_port: int = setting(
        "CHEKOV_MANAGEMENT_PORT", 9090, "Port of probes, metrics and the manifest.", parsers.port
    )
    management_token: str = setting(
        "CHEKOV_MANAGEMENT_TOKEN",
        "",
        "Bearer token for requests to the management port, except for probes, metrics and the "
        "manifest; without one, no token is required.",
        parsers.text,
    )
    max_event_streams: int = setting(
        "CHEKOV_MAX_EVENT_STREAMS",
        1000,
        "Clients that may follow events at once at this process, by server-sent events.",
        parsers.count,
    )
    body_limit: int = setting(
        "CHEKOV_BODY_LIMIT", 1024 * 1024, "Size limit of one command, in bytes.", parsers.count
    )
    max_content: int = setting(
        "CHEKOV_MAX_CONTENT",
        64 * 1024 * 1024,
        "Bytes of request bodies of 16 KiB or more that the process holds at a time; further ones "
        "wait.",
        parsers.count,
    )
    max_pages: int = setting(
        "CHEKOV_MAX_PAGES",
        32 * 1024 * 1024,
        "Bytes of events that the process holds for clients that read pages, and as many for those "
        "that follow events; further ones wait.",
        parsers.count,
    )
    admission_wait: float = setting(
        "CHEKOV_ADMISSION_WAIT",
        2.0,
        "Seconds that a command over HTTP waits for one of CHEKOV_MAX_IN_FLIGHT places, or its "
        "body for room, before it is refused.",
        parsers.seconds,
    )
    max_connections: int = setting(
        "CHEKOV_MAX_CONNECTIONS",
        10_000,
        "Open connections of a port, at most one for each 128 KiB of the container's limit of "
        "memory; further ones are answered 503 and closed.",
        parsers.count,
    )
    arrival_timeout: float = setting(
        "CHEKOV_ARRIVAL_TIMEOUT",
        60.0,
        "Seconds in which the body of a command, or the next part of a batch, has to arrive, and "
        "in which a client has to take a response of 64 KiB or more.",
        parsers.some_seconds,
    )
    cors_origins: Sequence[str] = setting(
        "CHEKOV_CORS_ORIGINS",
        (),
        "Origins whose pages may use the API from a browser (CORS), such as "
        "`https://shop.example`, separated by commas; `*` for all.",
        parsers.origins,
    )
    auth_tokens: str = setting(
        "CHEKOV_AUTH_TOKENS",
        "",
        "File, or folder of files such as a mounted Secret, with bearer tokens for the API: each "
        "file is named as a subject and has a token in each line. Changes are noticed.",
        parsers.path,
    )
    jwt_issuer: str = setting(
        "CHEKOV_AUTH_JWT_ISSUER",
        "",
        "Who issues JSON Web Tokens for the API: their `iss`.",
        parsers.text,
    )
    jwt_audience: str = setting(
        "CHEKOV_AUTH_JWT_AUDIENCE", "", "For whom they are issued: their `aud`.", parsers.text
    )
    jwt_keys: str = setting(
        "CHEKOV_AUTH_JWT_KEYS",
        "",
        "The issuer's public keys (JWKS): an https URL, which is fetched every five minutes, or a "
        "file, whose changes are noticed.",
        parsers.key_source,
    )
    jwt_leeway: float = setting(
        "CHEKOV_AUTH_JWT_LEEWAY",
        30.0,
        "Seconds by which the issuer's clock may differ from that of this machine.",
        parsers.seconds,
    )
    tls_certificate: str = setting(
        "CHEKOV_TLS_CERTIFICATE_FILE",
        "",
        "Certificate chain (PEM) for TLS on both ports. Changes are noticed.",
        parsers.path,
    )
    tls_key: str = setting("CHEKOV_TLS_KEY_FILE", "", "Its private key (PEM).", parsers.path)


def incomplete(source: Mapping[str, str]) -> Sequence[str]:
    """What is missing among variables that are set together or not at all."""
    return [
        f"{name} is not set, but required with {', '.join(given)}"
        for group in _TOGETHER
        if (given := [name for name in group if source.get(name)])
        for name in group
        if name not in given
    ]
