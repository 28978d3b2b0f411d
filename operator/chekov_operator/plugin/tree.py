"""The picture of a bundle as a tree, for people. Pure, but for colours."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chekov_operator.kube.objects import Object
from chekov_operator.kube.text import printable
from chekov_operator.plugin.output import Colour, coloured

_BAD_WHEN_TRUE: Final = frozenset({"Degraded", "Stalled"})
_PLAIN: Final = frozenset({"Progressing", "Paused"})
_STATES: Final[dict[str, Colour]] = {
    "Ready": "green",
    "Serving": "green",
    "live": "green",
    "True": "green",
    "Degraded": "red",
    "Refused": "red",
    "Returned": "red",
    "Stalled": "red",
    "stopped": "red",
    "False": "red",
    "CrashLoopBackOff": "red",
    "Kept": "dim",
}
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Node:
    """One line of a tree.

    Attributes:
        text: what it says.
        children: the lines below it.
    """

    text: str
    children: Sequence["Node"] = ()


def lines(node: Node) -> Iterator[str]:
    """The tree as lines of text."""
    yield node.text
    yield from _below(node.children, "")


def _below(nodes: Sequence[Node], indent: str) -> Iterator[str]:
    for number, node in enumerate(nodes, 1):
        last = number == len(nodes)
        yield f"{indent}{'└── ' if last else '├── '}{node.text}"
        yield from _below(node.children, indent + ("    " if last else "│   "))


def tree(document: Object) -> Node:
    """The tree of a bundle."""
    marks = [name for name in ("suspended", "paused") if document[name]]
    head = _joined(
        coloured(f"{document['namespace']}/{document['name']}", "bold"),
        _state(document["phase"]),
        document["ready"] and f"{document['ready']} pods ready",
        document["revision"] and f"revision {document['revision']}",
        *marks,
    )
    return Node(head, list(_parts(document)))


def _parts(document: Object) -> Iterator[Node]:
    store = document["store"]
    ready = {"True": "ready", None: "not seen"}.get(store["ready"], store["message"])
    yield Node(f"store {store['name']}: {_text(ready)}")
    if document["conditions"]:
        yield Node("conditions", list(map(_condition, document["conditions"])))
    if document["rollout"]:
        yield _rollout(document["rollout"])
    if document["changes"]:
        changed = [Node(f"{_words(name)}: {', '.join(names)}") for name, names in
                   document["changes"].items()]  # fmt: skip
        yield Node("changes of this revision", changed)
    if document["revisions"]:
        yield Node("revisions", list(map(_revision, document["revisions"])))
    if document["pods"]:
        yield Node("pods", list(map(_pod, document["pods"])))
    if document["subscriptions"]:
        yield Node("subscriptions", list(map(_subscription, document["subscriptions"])))
    yield from (Node(coloured(f"not seen: {_text(text)}", "yellow"))
                for text in document["unseen"])  # fmt: skip


def _condition(item: Object) -> Node:
    kind, status = str(item["type"]), str(item["status"])
    good = status == ("False" if kind in _BAD_WHEN_TRUE else "True")
    colour: Colour | None = None
    if kind not in _PLAIN:
        colour = "green" if good else "yellow" if status == "Unknown" else "red"
    return Node(
        _joined(f"{kind}={coloured(status, colour)}", item["reason"], _text(item["message"] or ""))
    )


def _rollout(item: Object) -> Node:
    steps = item.get("step") and f"step {item['step']} of {item.get('steps')}"
    share = item.get("share") is not None and f"{item['share']} % of the pods"
    head = _joined(
        f"rollout {item.get('from') or 'nothing'} → {item.get('to')}",
        _state(item.get("state")),
        steps,
        share,
        item.get("pods") and f"pods {item['pods']}",
    )
    return Node(head, _message(item))


def _revision(item: Object) -> Node:
    number = f"#{item['number']} " if item["number"] is not None else ""
    results = [_outcome(name, item[name]) for name in ("check", "gate")]
    head = _joined(
        f"{number}{item['revision']}",
        _state(item["phase"]),
        item["ready"] and f"{item['ready']} pods ready",
        *(text for text, _ in results),
    )
    faults = [Node(_text(line)) for _, lines in results for line in lines]
    return Node(head, [*faults, *map(_pod, item["pods"])])


def _outcome(name: str, result: Object | None) -> tuple[str, Sequence[str]]:
    if result is None:
        return "", ()
    if result.get("ok"):
        return f"{name} {coloured('passed', 'green')}", ()
    reason = result.get("reason") or "failed"
    lines = [result.get("message"), *(result.get("faults") or ())]
    return f"{name} {coloured(str(reason), 'red')}", [str(line) for line in lines if line]


def _pod(item: Object) -> Node:
    return Node(
        _joined(
            f"pod {item['name']}",
            _state("Ready" if item["ready"] and item["state"] == "Running" else item["state"]),
            item["node"] and f"on {item['node']}",
            item["restarts"] and f"{item['restarts']} restarts",
        )
    )


def _subscription(item: Object) -> Node:
    parked = item.get("parked")
    rebuild = item.get("rebuild")
    head = _joined(
        f"{item['name']} ({item['kind']} {item['version']})",
        _state(item.get("state")),
        item.get("position") is not None and f"position {item['position']}",
        item.get("lag") is not None and f"lag {item['lag']}",
        parked and coloured(f"{parked} parked", "yellow"),
        item.get("owners") and f"owners {item['owners']}",
        item.get("pausedBy") and f"paused by {_text(item['pausedBy'])}",
        rebuild and f"rebuilding, {rebuild.get('percent', 0)} %",
    )
    return Node(head, [Node(_text(item["error"]))] if item.get("error") else [])


def _message(item: Object) -> list[Node]:
    return [Node(_text(item["message"]))] if item.get("message") else []


def _state(text: object) -> str:
    return coloured(str(text), _STATES.get(str(text))) if text else ""


def _words(name: str) -> str:
    return _CAMEL.sub(" ", name).lower()


def _joined(*parts: object) -> str:
    given: Iterable[str] = (str(part) for part in parts if part)
    return "  ".join(given)


def _text(text: object) -> str:
    return " ".join(printable(str(text)).split())
