"""Sends the HTTP requests listed on standard input, and prints the responses as JSON.

Runs in a pod, so that requests go the way of every client: names, Services, pods.
"""

import json
import sys
import urllib.error
import urllib.request
from typing import Any


def call(request: dict[str, Any]) -> dict[str, Any]:
    """Send one request."""
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
        return {"status": 0, "text": repr(error)}


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
