"""`GET /` of both ports: what answers here and where to go, as a page for people or as JSON."""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from typing import Final

from aiohttp import web

from chekov.serialization.json import to_json
from chekov.server.endpoint import Handler

_STYLE: Final = (
    "body { font: 1rem/1.5 sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }"
)
_POLICY: Final = (
    "default-src 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>{style}</style>
<body>
<h1>{title}</h1>
<p>{text}</p>
<ul>
{items}
</ul>
</body>
</html>
"""


def index(title: str, text: str, links: Mapping[str, str]) -> Handler:
    """The handler of `/`; `links` are paths, each with what is there."""
    items = "\n".join(
        f'<li><a href="{escape(path)}">{escape(path)}</a>: {escape(what)}</li>'
        for path, what in links.items()
    )
    page = _PAGE.format(style=_STYLE, title=escape(title), text=escape(text), items=items).encode()
    document = to_json({"title": title, "description": text, "links": links})

    async def get(request: web.Request) -> web.StreamResponse:
        html = "text/html" in request.headers.get("Accept", "")
        return web.Response(
            body=page if html else document,
            headers={
                "Content-Type": "text/html; charset=utf-8" if html else "application/json",
                "Content-Security-Policy": _POLICY,
                "Vary": "Accept",
            },
        )

    return get
