"""`kubectl chekov status`: the tree of a bundle, for people and for programs."""

import asyncio
import json

import yaml

from tests.operator.fake_api import FakeApi
from tests.operator.plugin.conftest import Kubectl
from tests.operator.plugin.objects import (
    BUNDLE,
    CORE,
    NEW,
    OLD,
    condition,
    put_bundle,
    put_pod,
    put_revision,
    put_subscription,
)
from tests.waiting import until

TREE = f"""\
shops/bank  RollingOut  1/2 pods ready  revision {OLD}
├── store main: ready
├── conditions
│   ├── Ready=True  Serving  All pods serve.
│   └── Degraded=False  AsExpected
├── rollout {OLD} → {NEW}  Waiting  step 1 of 2  10 % of the pods  pods 1/10
│   └── waits for 60 s
├── changes of this revision
│   └── commands added: Close
├── revisions
│   ├── #2 {NEW}  RollingOut  0/1 pods ready  check passed  gate UnknownEvent
│   │   ├── it has no event opened
│   │   ├── opened: position 3
│   │   └── pod bank-new-1  CrashLoopBackOff  on node-1  7 restarts
│   └── #1 {OLD}  Serving  1/1 pods ready  check passed
│       └── pod bank-old-1  Ready  on node-1
└── subscriptions
    ├── balances (projection 1)  live  position 12  lag 0  owners 1/1
    └── mails (projection 1)  stopped  position 3  lag 9  2 parked
        └── SMTPError: no
"""


def put_rollout(api: FakeApi) -> None:
    rollout = {"from": OLD, "to": NEW, "state": "Waiting", "step": 1, "steps": 2, "share": 10,
               "pods": "1/10", "message": "waits for 60 s"}  # fmt: skip
    ready = condition("Ready", reason="Serving", message="All pods serve.")
    put_bundle(
        api,
        status={
            "phase": "RollingOut",
            "ready": "1/2",
            "revision": OLD,
            "rollout": rollout,
            "changes": {"commandsAdded": ["Close"], "eventsAdded": []},
            "conditions": [ready, condition("Degraded", "False")],
        },
    )
    findings = [{"rule": "UnknownEvent", "sentence": "opened: position 3"}]
    gate = {"compatibility": "Incompatible", "reason": "UnknownEvent", "findings": findings,
            "message": "it has no event opened"}  # fmt: skip
    put_revision(api, NEW, 2, phase="RollingOut", ready="0/1", check={"ok": True}, gate=gate)
    put_revision(api, OLD, 1, phase="Serving", ready="1/1", check={"ok": True})
    put_pod(api, "bank-new-1", NEW, ready=False)
    put_pod(api, "bank-old-1", OLD)
    put_subscription(api, "balances", state="live", position=12, lag=0, owners="1/1")
    put_subscription(
        api, "mails", state="stopped", position=3, lag=9, parked=2, error="SMTPError: no"
    )


async def test_a_bundle_is_a_tree(api: FakeApi, kubectl: Kubectl) -> None:
    put_rollout(api)
    answer = await kubectl("status", "bank")
    assert (answer.code, answer.output, answer.errors) == (0, TREE, "")


async def test_it_writes_nothing(api: FakeApi, kubectl: Kubectl) -> None:
    put_rollout(api)
    await kubectl("status")
    assert api.writes() == []


async def test_programs_get_the_same_as_json_and_yaml(api: FakeApi, kubectl: Kubectl) -> None:
    put_rollout(api)
    found = json.loads((await kubectl("status", "bank", "-o", "json")).output)
    assert found["rollout"]["share"] == 10
    assert [item["revision"] for item in found["revisions"]] == [NEW, OLD]
    assert found["revisions"][0]["pods"][0]["state"] == "CrashLoopBackOff"
    listed = yaml.safe_load((await kubectl("status", "-o", "yaml")).output)
    assert listed == [found]


async def test_all_bundles_of_the_namespace_are_shown(api: FakeApi, kubectl: Kubectl) -> None:
    put_bundle(api)
    api.put(BUNDLE.replace("bank", "shop"), {**api.objects[BUNDLE], "metadata": {"name": "shop"}})
    lines = (await kubectl("status")).output.splitlines()
    heads = [line.partition(" ")[0] for line in lines if line.startswith("shops/")]
    assert heads == ["shops/bank", "shops/shop"]


async def test_where_there_are_no_subscription_objects_the_status_of_the_bundle_is_used(
    api: FakeApi, kubectl: Kubectl
) -> None:
    row = {"name": "mails", "kind": "handler", "version": 1, "position": 4, "parked": 0}
    rows = [
        {**row, "partition": 0, "state": "live", "lag": 0, "owner": "bank-1"},
        {**row, "partition": 1, "state": "stopped", "lag": 7, "position": 2, "parked": 1},
    ]
    put_bundle(api, status={"phase": "Degraded", "subscriptions": rows})
    answer = await kubectl("status", "bank")
    line = "mails (handler 1)  stopped  position 2  lag 7  1 parked  owners 1/2"
    assert line in answer.output


async def test_what_may_not_be_read_is_named(api: FakeApi, kubectl: Kubectl) -> None:
    put_bundle(api)
    reason = 'pods is forbidden: User "me" cannot list resource "pods" in API group "" in the '
    api.fail("GET", "/pods", 403, reason + 'namespace "shops"')
    answer = await kubectl("status", "bank")
    assert answer.code == 0
    missing = "you lack a right: the verb list on the resource pods in the namespace shops"
    assert f"not seen: {missing}" in answer.output


async def test_control_characters_in_messages_do_not_reach_the_terminal(
    api: FakeApi, kubectl: Kubectl
) -> None:
    put_bundle(api, status={"conditions": [condition("Ready", message="a\x1b[2Jb\nc")]})
    answer = await kubectl("status", "bank")
    assert "\x1b" not in answer.output
    assert "a [2Jb c" in answer.output


async def test_it_is_shown_anew_at_each_change_until_the_bundle_is_gone(
    api: FakeApi, kubectl: Kubectl
) -> None:
    def shown() -> int:
        return sum(item.path == f"{CORE}/pods" and "limit" in item.query for item in api.requests)

    put_bundle(api)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(kubectl("status", "bank", "--watch", "-o", "json"))
        # Shown at once, and again as soon as changes are followed.
        await until(lambda: api.watches.opened == 5 and shown() >= 2)
        before = shown()
        put_pod(api, "bank-1")
        await until(lambda: shown() > before)
        api.watches.cut()  # as servers do from time to time
        await until(lambda: api.watches.opened == 10)
        api.remove(BUNDLE)
    answer = watching.result()
    assert answer.code == 1
    documents = [json.loads(line) for line in answer.output.splitlines()]
    assert documents[0]["pods"] == []
    assert documents[-1]["pods"][0]["name"] == "bank-1"
    assert "there is no DomainBundle bank" in answer.errors
