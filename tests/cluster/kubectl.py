"""kubectl for tests: objects in, objects out."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.cluster.kube.shell import CommandFailed, run, wait_for

Object = Mapping[str, Any]


class Kubectl:
    """kubectl for one namespace of a cluster.

    Attributes:
        namespace: The namespace of all objects.
    """

    def __init__(self, environment: Mapping[str, str], namespace: str = "default") -> None:
        self._environment = environment
        self.namespace = namespace

    def within(self, namespace: str) -> "Kubectl":
        """The same cluster, another namespace."""
        return Kubectl(self._environment, namespace)

    def run(self, *words: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Run kubectl and return what it printed.

        Raises:
            CommandFailed: It ended with an error, which the message holds.
        """
        command = ("kubectl", f"--namespace={self.namespace}", *words)
        return run(*command, env=self._environment, stdin=stdin, timeout=timeout)

    def apply(self, *manifests: Object) -> None:
        """Apply objects."""
        self.run("apply", "--filename=-", stdin=_listed(manifests))

    def refusal(self, *manifests: Object) -> str:
        """Apply objects that the API server must refuse, and return its reason."""
        try:
            self.apply(*manifests)
        except CommandFailed as error:
            return str(error)
        raise AssertionError(f"the API server took what it should refuse: {manifests}")

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """An object."""
        return json.loads(self.run("get", kind, name, "--output=json"))

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """The objects of a kind that have the labels."""
        words = ("get", kind, f"--selector={selector}", "--output=json")
        return json.loads(self.run(*words))["items"]

    def exists(self, kind: str, name: str) -> bool:
        """Whether an object is there."""
        return self.run("get", kind, name, "--ignore-not-found", "--output=name") != ""

    def patch(self, kind: str, name: str, change: Object) -> None:
        """Apply a merge patch."""
        self.run("patch", kind, name, "--type=merge", f"--patch={json.dumps(change)}")

    def delete(self, kind: str, name: str, *options: str) -> None:
        """Delete an object and wait until it is gone."""
        self.run("delete", kind, name, *options)

    def wait(self, condition: str, target: str, *, timeout: float = 180) -> None:
        """Wait for a condition of an object, like `kubectl wait` does.

        Raises:
            CommandFailed: It timed out; the message contains the object's state.
        """
        try:
            words = ("wait", f"--for={condition}", target, f"--timeout={timeout:.0f}s")
            self.run(*words, timeout=timeout + 30)
        except CommandFailed as error:
            raise CommandFailed(f"{error}\n{self.describe(target)}") from error

    def describe(self, target: str) -> str:
        """What a person would inspect after a failure."""
        shown = [self._tried("get", target, "--output=yaml")]
        shown += [self._tried("get", "events", "--sort-by=.lastTimestamp")]
        shown += [self._tried("get", "pods", "--output=wide")]
        if target.startswith("pod/"):
            shown += [self._tried("logs", target, "--tail=20")]
        return "\n".join(shown)

    def condition(self, kind: str, name: str, of: str) -> dict[str, Any]:
        """One condition of an object; empty when it has none of that type."""
        conditions = self.get(kind, name).get("status", {}).get("conditions", [])
        found: list[dict[str, Any]] = [each for each in conditions if each["type"] == of]
        return found[0] if found else {}

    def wait_for_words(self, kind: str, name: str, *words: str) -> dict[str, Any]:
        """Wait for a condition of the current generation that contains these words; return it."""
        found: list[dict[str, Any]] = []

        def is_reported() -> bool:
            known = self.get(kind, name)
            generation = known["metadata"]["generation"]
            for condition in known.get("status", {}).get("conditions", []):
                current = condition.get("observedGeneration") == generation
                if current and all(word in condition["message"] for word in words):
                    found.append(condition)
            return found != []

        try:
            wait_for(f"a condition of {kind}/{name} that contains {words}", is_reported, timeout=60)
        except Exception as error:
            error.add_note(self.describe(f"{kind}/{name}"))
            raise
        return found[0]

    def exec(self, pod: str, *command: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run a program in a pod's first container."""
        return self.run("exec", "--stdin", pod, "--", *command, stdin=stdin, timeout=timeout)

    def _tried(self, *words: str) -> str:
        try:
            return self.run(*words)
        except CommandFailed as error:
            return str(error)


def _listed(manifests: Sequence[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
