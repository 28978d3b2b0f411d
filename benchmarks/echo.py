"""The cost of aiohttp alone: an application that returns the body of each request."""

import sys

import uvloop
from aiohttp import web


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read(), content_type="application/json")


if __name__ == "__main__":
    application = web.Application()
    application.router.add_post("/echo", echo)
    web.run_app(
        application,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        loop=uvloop.new_event_loop(),
        print=lambda *_: None,
    )
