"""The bank, as its clients and its operators use it, and a load on it."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster import manifests
from tests.cluster.clusters import REPOSITORY, Cluster
from tests.cluster.kube.shell import wait_for
from tests.cluster.kubectl import Kubectl

SOURCE = (REPOSITORY / "examples/bank/bank.py").read_text()
INSIDE = Path(__file__).parent / "inside"
API_PORT = 8080
RUNTIME = "app.kubernetes.io/name=chekov-runtime,app.kubernetes.io/component=runtime"


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to an HTTP request; status 0 if there was none."""

    status: int
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Bank:
    """One bundle of the bank in a namespace that also holds its Postgres.

    Attributes:
        kubectl: kubectl for its namespace.
        cluster: The cluster it runs on.
        name: The bundle's name.
    """

    kubectl: Kubectl
    cluster: Cluster
    name: str = "bank"

    @property
    def url(self) -> str:
        """The URL for clients inside the cluster."""
        return f"http://{self.name}:{API_PORT}"

    def apply(self, code: manifests.Manifest, **settings: Any) -> None:
        """Apply the bundle with this code."""
        self.kubectl.apply(manifests.bundle(self.name, code, **settings))

    def wait_until_ready(self, *, timeout: float = 180) -> None:
        """Wait as a person would, with `kubectl wait`."""
        self.kubectl.wait("condition=Ready", f"domainbundle/{self.name}", timeout=timeout)

    def wait_until_served(self) -> None:
        """Wait until it is ready and its Service routes to it, which the API does not report.

        The node's proxy learns of a ready pod a moment after everybody else; until then it refuses
        connections to a Service that had no pod before.
        """
        self.wait_until_ready()
        wait_for(
            f"the Service to lead to a pod of {self.name}",
            lambda: self.call("GET", "/openapi.json").status == 200,
        )

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Make a request from a pod of the namespace, through the Service."""
        return self.fetch(method, f"{self.url}{path}", body, headers)

    def fetch(
        self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Make a request to any address from a pod of the namespace."""
        request = {"method": method, "url": url, "body": body, "headers": dict(headers or {})}
        [answer] = self._requests([request])
        return answer

    def fetch_all(self, urls: Sequence[str]) -> list[Answer]:
        """Get several addresses from a pod of the namespace."""
        return self._requests([{"method": "GET", "url": url} for url in urls])

    def _requests(self, requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
        script = (INSIDE / "call.py").read_text()
        output = self.kubectl.exec(
            "toolbox", "python", "-c", script, stdin=json.dumps(requests), timeout=90
        )
        return [Answer(**each) for each in json.loads(output)]

    def command(
        self, name: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Execute a command."""
        return self.call("POST", f"/commands/{name}", body, headers)

    def history(self) -> list[dict[str, Any]]:
        """Every stored event, in order."""
        script = (INSIDE / "call.py").read_text()
        output = self.kubectl.exec("toolbox", "python", "-c", script, "history", self.url)
        return json.loads(output)

    def total(self) -> int:
        """The total of all balances in the projection."""
        answer = self.call("GET", "/queries/balances/total")
        return answer.json() if answer.status == 200 else -1

    def wait_for_words(self, *words: str) -> dict[str, Any]:
        """Wait until a condition's message contains these words, and return the condition."""
        return self.kubectl.wait_for_words("domainbundle", self.name, *words)

    def pods(self) -> list[dict[str, Any]]:
        """Its runtime pods."""
        return self.kubectl.list("pods", f"{RUNTIME},chekov.dev/bundle={self.name}")

    def revision(self) -> str:
        """The revision that its status names."""
        return self.kubectl.get("domainbundle", self.name)["status"]["revision"]

    def child(self, kind: str) -> str:
        """The name of a child; some are named by the revision, too."""
        per_revision = kind in ("deployment", "poddisruptionbudget")
        return f"{self.name}-{self.revision()}" if per_revision else self.name

    def revisions_of_pods(self) -> set[str]:
        """The revisions that its pods are of."""
        return {pod["metadata"]["labels"]["chekov.dev/revision"] for pod in self.pods()}

    def wait_until_rolled_out(self, *, after: str) -> None:
        """Wait until every pod is of a revision other than `after`, and the bundle is ready."""

        def rolled() -> bool:
            now = self.revision()
            return now != after and self.revisions_of_pods() == {now}

        wait_for("every pod to be of the new revision", rolled, timeout=120)
        self.wait_until_ready()

    def sql(self, statement: str) -> str:
        """Query its Postgres directly."""
        words = ("psql", manifests.LOCAL_DSN, "-Atc", statement)
        return self.kubectl.exec("postgres-0", *words).strip()


def kill(kubectl: Kubectl, pod: Mapping[str, Any], killer: Kubectl) -> None:
    """kill -9 the first process of a pod's first container, and wait until the kubelet noticed."""
    name = pod["metadata"]["name"]
    before = pod["status"]["containerStatuses"][0]
    container = before["containerID"].partition("://")[2]
    killer.exec("killer", "python", "-c", (INSIDE / "kill.py").read_text(), container)

    def seen() -> bool:
        now = kubectl.get("pod", name)["status"]["containerStatuses"][0]
        return now["restartCount"] > before["restartCount"]

    wait_for(f"pod {name} to start again", seen, timeout=90)


class Load:
    """Deposits from a pod of the bank's namespace, and the ledger it keeps."""

    def __init__(self, bank: Bank, name: str = "load", *, seconds: float = 120) -> None:
        self._bank = bank
        self._name = name
        self._words = (bank.url, f"--seconds={seconds:g}")

    def start(self) -> None:
        """Start it and wait until money flows."""
        script = (INSIDE / "load.py").read_text()
        image = self._bank.cluster.image
        self._bank.kubectl.apply(*manifests.script_pod(self._name, image, script, *self._words))
        self.wait_for_more(50)

    def wait_for_more(self, commands: int) -> None:
        """Wait until this many more commands are acknowledged."""
        goal = self._acknowledged() + commands

        def reached() -> bool:
            return self._acknowledged() >= goal

        wait_for(f"{goal} acknowledged commands", reached, timeout=90)

    def stop(self) -> dict[str, Any]:
        """Stop it and return its ledger."""
        kubectl = self._bank.kubectl
        kubectl.exec(self._name, "sh", "-c", "kill -TERM 1")
        kubectl.wait("jsonpath={.status.phase}=Succeeded", f"pod/{self._name}")
        return json.loads(kubectl.run("logs", self._name).splitlines()[-1])

    def remove(self) -> None:
        """Delete its pod."""
        self._bank.kubectl.delete("pod", self._name, "--ignore-not-found", "--now")

    def _acknowledged(self) -> int:
        output = self._tail()
        return output.get("acknowledged", 0)

    def _tail(self) -> dict[str, Any]:
        pod = self._bank.kubectl.get("pod", self._name)
        phase = pod["status"].get("phase")
        if phase == "Pending":
            return {}
        lines = self._bank.kubectl.run("logs", self._name, "--tail=1").splitlines()
        if phase != "Running":
            raise AssertionError(f"the load ended by itself: {lines}")
        return json.loads(lines[0]) if lines else {}


def assert_nothing_lost_or_doubled(bank: Bank, ledger: Mapping[str, Any]) -> None:
    """Compare the ledger of a load with the stored history, and the history with the read model.

    Each acknowledged command is stored once, at the position in its response; each unknown
    one is stored once or never; positions have no gap; the projection has added up every event.
    """
    history = bank.history()
    assert [event["position"] for event in history] == list(range(1, len(history) + 1))
    stored = {event["causation_id"]: event for event in history}
    times = Counter(event["causation_id"] for event in history)
    assert [key for key, number in times.items() if number > 1] == []
    for command, account, amount, position in ledger["acknowledged"]:
        event = stored[command]
        assert (event["position"], event["data"]["amount"]) == (position, amount)
        assert event["stream"] == f"account-{account}"
    balances: dict[str, int] = defaultdict(int)
    for event in history:
        balances[event["stream"]] += _change(event)
    wait_for("the projection", lambda: bank.total() == sum(balances.values()), timeout=60)
    for account in list(balances)[:10]:
        answer = bank.call("GET", f"/queries/balances/balance?account={account}")
        assert answer.json() == balances[account]


def _change(event: Mapping[str, Any]) -> int:
    sign = {"money-deposited": 1, "money-withdrawn": -1}
    return sign.get(event["type"].partition("@")[0], 0) * event["data"].get("amount", 0)
