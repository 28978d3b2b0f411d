"""Sends the HTTP requests listed on standard input, and prints the responses as JSON.

Runs in a pod, so that requests go the way of every client: names, Services, pods.
"""

import json
import socket
import sys
import urllib.error
import urllib.request
from typing import Any

TRIES = 3
"""How often a name is looked up: that goes by UDP, which may lose packets."""


def call(request: dict[str, Any], tries: int = TRIES) -> dict[str, Any]:
    """Send one request; again if its host's name is not found for now, so that nothing was sent."""
    body = request.get("body")
    made = urllib.request.Request(
        request["url"],
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **request.get("headers", {})},
        method=request["method"],
    )
    try:
        with urllib.request.urlopen(made, timeout=20) as answer:
            return {"status": answer.status, "text": answer.read().decode()}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "text": error.read().decode()}
    except OSError as error:
        if tries > 1 and is_unnamed(error):
            return call(request, tries - 1)
        return {"status": 0, "text": repr(error)}


def is_unnamed(error: OSError) -> bool:
    """Whether a name server has not answered, or not now."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return isinstance(reason, socket.gaierror) and reason.errno == socket.EAI_AGAIN


def history(url: str) -> list[dict[str, Any]]:
    """Every stored event, in order."""
    found: list[dict[str, Any]] = []
    after = 0
    while after is not None:
        answer = call({"method": "GET", "url": f"{url}/events?after={after}&limit=1000"})
        if answer["status"] != 200:
            raise SystemExit(f"GET /events: {answer}")
        page = json.loads(answer["text"])
        found += page["events"]
        after = page["next"]
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["history"]:
        json.dump(history(sys.argv[2]), sys.stdout)
    else:
        json.dump([call(request) for request in json.load(sys.stdin)], sys.stdout)
