"""`GET /docs`: the description of the API as a page, on which every operation can be tried.

It is Swagger UI, whose files come with a package: nothing is loaded from elsewhere, as the page's
policy (CSP) demands.
"""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Final

from swagger_ui_bundle import swagger_ui_path

from chekov.server.endpoint import Handler
from chekov.server.static_content import StaticContent

_FILES: Final = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
_HEADERS: Final = {"X-Content-Type-Options": "nosniff"}
_PAGE_HEADERS: Final = {
    **_HEADERS,
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<body>
<div id="docs"><noscript>This page needs JavaScript; the description is at
<a href="openapi.json">openapi.json</a>.</noscript></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START: Final = b"""SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
"""


def docs(title: str) -> Mapping[str, Handler]:
    """The handlers of the page and of its files, by path."""
    page = _PAGE.format(title=escape(title)).encode()
    start = StaticContent(_START, "text/javascript; charset=utf-8", _HEADERS)
    return {
        "/docs": StaticContent(page, "text/html; charset=utf-8", _PAGE_HEADERS).get,
        "/docs/start.js": start.get,
        **{f"/docs/{name}": _file(name, kind).get for name, kind in _FILES.items()},
    }


def _file(name: str, content_type: str) -> StaticContent:
    return StaticContent((Path(swagger_ui_path) / name).read_bytes(), content_type, _HEADERS)
