"""The operator in Go claims to make the children that Chekov's operator makes."""

import re
from collections import Counter

from kubernetes.aio.client import Configuration

from benchmarks.operators.programs import GO_SOURCE
from chekov_operator.kube.client import connected
from chekov_operator.kube.kinds import CHILDREN, STORE
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi, serving
from tests.operator.scene import FINE, Scene

_CHILD = re.compile(r'^\t\{"(\w+)", (?:created|checked|gated),', re.MULTILINE)


def claimed() -> Counter[str]:
    """How many children of each kind are in the table of the program in Go."""
    return Counter(_CHILD.findall((GO_SOURCE / "children.go").read_text()))


def made(api: FakeApi) -> set[tuple[str, str]]:
    """Kind and path of each child that there is."""
    return {
        (kind.name, path) for kind in CHILDREN for path in api.objects if f"/{kind.plural}/" in path
    }


async def test_the_children_of_a_bundle_with_an_image() -> None:
    seen: set[tuple[str, str]] = set()
    metrics = Metrics()
    async with (
        serving() as api,
        connected(Configuration(host=api.url), metrics) as client,
    ):
        scene = Scene(api, client, metrics)
        scene.give_bank(code={"image": "bank:1"})
        # Where nothing is stored, there is no gate.
        scene.one(STORE, "main")["status"]["position"] = 9
        await scene.begin_check()
        seen |= made(api)
        scene.end_check(FINE)
        while await scene.reconcile():
            seen |= made(api)
            scene.play()
    assert claimed().total() > 0
    assert Counter(kind for kind, _ in seen) == claimed()
