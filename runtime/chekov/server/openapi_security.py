"""Bearer tokens in the description of the API."""

from typing import Final

from chekov.server import problems
from chekov.server.openapi_parts import Document, refusals

_SCHEME: Final = "Bearer"


def secured(document: Document) -> Document:
    """A description in which every operation requires a token, and may refuse it."""
    paths: Document = {
        path: {
            method: {**operation, "responses": {**operation["responses"], **_REFUSALS}}
            for method, operation in item.items()
        }
        for path, item in document["paths"].items()
    }
    components = {
        **document["components"],
        "securitySchemes": {_SCHEME: {"type": "http", "scheme": "bearer"}},
    }
    return {**document, "paths": paths, "components": components, "security": [{_SCHEME: []}]}


_REFUSALS: Final = refusals((problems.UNAUTHORIZED, problems.AUTHENTICATION_UNAVAILABLE))
