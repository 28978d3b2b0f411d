"""`GET /` of both ports: what answers here and where to go, as a page for people or as JSON."""

from collections.abc import Mapping
from html import escape
from typing import Final

from aiohttp import web

from chekov.serialization.json import to_json
from chekov.server.endpoint import Handler

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<body style="font: 1rem/1.5 sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem">
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
    page = _PAGE.format(title=escape(title), text=escape(text), items=items).encode()
    document = to_json({"title": title, "description": text, "links": links})

    async def get(request: web.Request) -> web.StreamResponse:
        html = "text/html" in request.headers.get("Accept", "")
        return web.Response(
            body=page if html else document,
            headers={
                "Content-Type": "text/html; charset=utf-8" if html else "application/json",
                "Vary": "Accept",
            },
        )

    return get
