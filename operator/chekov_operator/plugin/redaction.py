"""Leaves out of a report what must not leave the cluster: secrets, code, values of variables. Pure.

What is known to be secret is left out by its field, and wherever else it appears: in a log, in a
message. What only looks like a secret is left out by its form.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeGuard, cast
from urllib.parse import quote, quote_plus, unquote, urlsplit

from chekov_operator.kube.objects import Object

LEFT_OUT: Final = "(left out)"

_LEAST_SECRET: Final = 4
_LEAST_VALUE: Final = 8
"""Shorter values of variables, such as `true` or `8080`, would be left out of every sentence."""

_DROPPED: Final = frozenset({"managedFields", "kubectl.kubernetes.io/last-applied-configuration"})
_NAME_AND_VALUE: Final = frozenset({"env", "httpHeaders"})
_SOURCES: Final = frozenset({"modules", "data", "binaryData", "stringData"})
_WORDS: Final = frozenset({"args", "command"})
_FREE: Final = frozenset({"volumeAttributes", "options", "sysctls"})
_TELLING: Final = re.compile(r"(?i)passw|token|secret|api_?key|credential|private|dsn")
_REFERENCES: Final = re.compile(r"(?i)(name|ref|path|seconds)$")

_PATTERNS: Final = (
    (
        re.compile(r"-----BEGIN [^-]*PRIVATE KEY-----.*?(-----END [^-]*-----|\Z)", re.DOTALL),
        LEFT_OUT,
    ),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), LEFT_OUT),
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[\w.~+/=-]{6,}"), rf"\1\2{LEFT_OUT}"),
    (re.compile(r"(\w://[^\s:/@]*):[^\s/]*@"), rf"\1:{LEFT_OUT}@"),
    (
        re.compile(
            r"""(?ix)([\w.-]*(?:passw(?:or)?d|passwd|pwd|secret|token|api[_-]?key)[\w-]*\\?["']?\s*[=:]\s*)
            (\\?["'][^"']+["']|[^\s"'&,;(]+)"""
        ),
        rf"\1{LEFT_OUT}",
    ),
)


class Redactor:
    """Leaves secrets out.

    Args:
        secrets: values that must not appear anywhere, in whatever form they are written.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        ordered = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """A text without them."""
        if self._known is not None:
            text = self._known.sub(LEFT_OUT, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def body(self, body: Object) -> Object:
        """An object of the API without them."""
        return cast("Object", self._value("", body))

    def _value(self, name: str, value: object) -> Any:
        if _is_map(value):
            return {
                key: self._field(key, item) for key, item in value.items() if key not in _DROPPED
            }
        if _is_list(value):
            return [self._value(name, item) for item in value]
        if isinstance(value, str):
            hidden = _TELLING.search(name) and not _REFERENCES.search(name)
            return LEFT_OUT if hidden else self.text(value)
        return value

    def _field(self, name: str, value: object) -> Any:
        if name in _NAME_AND_VALUE and _is_list(value):
            return [self._variable(item) for item in value]
        if name in _WORDS and _is_list(value):
            return [f"{len(value)} words {LEFT_OUT}"]
        if name in _SOURCES and _is_map(value):
            return {key: _summary(item) for key, item in value.items()}
        if name in _FREE and _is_map(value):
            return dict.fromkeys(value, LEFT_OUT)
        return self._value(name, value)

    def _variable(self, item: object) -> Any:
        return {
            name: LEFT_OUT if name == "value" else self._value(name, value)
            for name, value in _fields(item).items()
        }


def _is_map(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping)


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _fields(value: object) -> Mapping[str, object]:
    return value if _is_map(value) else {}


def _items(value: object) -> list[object]:
    return value if _is_list(value) else []


def _walk(body: object) -> Iterator[tuple[str, object]]:
    """Every field within a value: its name, and what it holds."""
    for item in _items(body):
        yield from _walk(item)
    for name, value in _fields(body).items():
        yield name, value
        yield from _walk(value)


def secret_names(body: object) -> Iterator[str]:
    """The names of the Secrets that an object refers to, wherever it does."""
    for name, value in _walk(body):
        if name in ("secretRef", "secretKeyRef"):
            yield str(_fields(value).get("name"))
        elif name == "secretName":
            yield str(value)


def values_of_variables(body: object) -> Iterator[str]:
    """The values that an object gives to variables, but for short ones."""
    for name, value in _walk(body):
        for item in _items(value) if name in _NAME_AND_VALUE else ():
            text = _fields(item).get("value")
            if isinstance(text, str) and len(text) >= _LEAST_VALUE:
                yield text


def values_of_secret(body: Object) -> Iterator[str]:
    """The values of a Secret, line by line where it has several."""
    for value in cast("Mapping[str, str]", body.get("data") or {}).values():
        try:
            text = base64.b64decode(value).decode()
        except ValueError:
            continue
        yield text.strip()
        yield from (line.strip() for line in text.splitlines())


def _forms(secret: str) -> Iterator[str]:
    """A secret as it may be written: also the password of a DSN, quoted, escaped or encoded."""
    try:
        password = urlsplit(secret).password if "://" in secret else None
    except ValueError:
        password = None
    for text in (secret, *((password, unquote(password)) if password else ())):
        if len(text) >= _LEAST_SECRET:
            yield text
            yield from (quote(text, safe=""), quote_plus(text), json.dumps(text)[1:-1])
            yield base64.b64encode(text.encode()).decode().rstrip("=")


def _summary(value: object) -> str:
    content = str(value).encode()
    return (
        f"{LEFT_OUT[:-1]}, {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()[:16]})"
    )
