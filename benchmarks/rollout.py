"""What a rollout in steps costs the commands meanwhile: `python -m benchmarks.rollout`.

The tests' cluster runs the bank with three pods, its Postgres and the operator, all on the cores of
this machine, and commands arrive at a fixed rate, each due at its own time. In each round, seconds
without a change are compared with a rollout in steps right after them: p50 and p99, and the
commands that failed. One ratio takes in the check and the gate, which precede the first new pod,
another one only the time from that pod on. In the end the store is asked whether each command that
was answered is stored once.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any, Final, NamedTuple

from tests.cluster import chart, manifests
from tests.cluster.bank import SOURCE, Bank
from tests.cluster.clusters import REPOSITORY, chosen_cluster
from tests.cluster.kube.shell import wait_for
from tests.cluster.kubectl import Kubectl

NAMESPACE: Final = "bench-rollout"
REPLICAS: Final = 3
ROLLOUT: Final[dict[str, Any]] = {
    "steps": [{"share": 34, "pauseSeconds": 5}, {"share": 67, "pauseSeconds": 5}],
    "progressDeadlineSeconds": 600,
}
LONGEST_SECONDS: Final = 300.0
_STORED: Final = (
    "select count(*), count(distinct data->>'amount') from chekov.events"
    " where data->>'amount' is not null"
)


class Ended(NamedTuple):
    """A command: when it was due, how long that took, and the status of its answer."""

    due: float
    milliseconds: float
    status: int


class Window(NamedTuple):
    """A span of time, in seconds since the epoch."""

    begin: float
    end: float

    def of(self, commands: Sequence[Ended]) -> list[float]:
        """The sorted latencies of the commands that were due within it."""
        return sorted(c.milliseconds for c in commands if self.begin <= c.due < self.end)


class Round(NamedTuple):
    """Seconds without a change, and those of a rollout: with its check, and with its pods only."""

    steady: Window
    whole: Window
    pods: Window


def measure(rate: float, rounds: int, seconds: float) -> None:
    """Measure and print."""
    cluster = chosen_cluster()
    with ExitStack() as stack:
        if not cluster.is_up():
            stack.callback(cluster.down)
        cluster.up()
        cluster.provide_images()
        chart.install(cluster)
        kubectl = Kubectl(cluster.environment(), NAMESPACE)
        kubectl.run("create", "namespace", NAMESPACE)
        stack.callback(kubectl.run, "delete", "namespace", NAMESPACE, "--wait=false")
        kubectl.apply(*manifests.postgres(cluster.services_image, NAMESPACE))
        kubectl.apply(manifests.toolbox(cluster.image), manifests.event_store())
        for pod in ("pod/postgres-0", "pod/toolbox"):
            kubectl.run("wait", "--for=create", pod, "--timeout=60s")
            kubectl.wait("condition=Ready", pod, timeout=LONGEST_SECONDS)
        bank = Bank(kubectl, cluster)
        _apply(bank, 0)
        bank.wait_until_ready(timeout=LONGEST_SECONDS)
        bank.wait_until_served()
        script = (REPOSITORY / "benchmarks" / "open_loop.py").read_text()
        words = (bank.url, f"--rate={rate:g}")
        kubectl.apply(*manifests.script_pod("load", cluster.image, script, *words))
        kubectl.wait("condition=Ready", "pod/load", timeout=LONGEST_SECONDS)
        time.sleep(seconds)
        windows = [_round(bank, number + 1, seconds) for number in range(rounds)]
        kubectl.exec("load", "sh", "-c", "kill -TERM 1")
        kubectl.wait("jsonpath={.status.phase}=Succeeded", "pod/load", timeout=LONGEST_SECONDS)
        lines = [line for line in kubectl.run("logs", "load").splitlines() if line[:1] in "[{"]
        commands = [Ended(*each) for line in lines if line[0] == "[" for each in json.loads(line)]
        _print(rate, commands, windows)
        _check(bank, commands)


def _apply(bank: Bank, number: int) -> None:
    source = f"{SOURCE}\nREVISION = {number}\n"
    bank.apply(manifests.inline(source), replicas=REPLICAS, rollout=ROLLOUT)


def _round(bank: Bank, number: int, seconds: float) -> Round:
    begun = time.time()
    time.sleep(seconds)
    before, applied = bank.revision(), time.time()
    _apply(bank, number)
    wait_for("new pods", lambda: len(bank.revisions_of_pods()) > 1, timeout=LONGEST_SECONDS)
    first = time.time()

    def rolled() -> bool:
        now = bank.revision()
        return now != before and bank.revisions_of_pods() == {now}

    wait_for("every pod to be new", rolled, timeout=LONGEST_SECONDS)
    bank.wait_until_ready(timeout=LONGEST_SECONDS)
    end = time.time()
    return Round(Window(begun, applied), Window(applied, end), Window(first, end))


def _print(rate: float, commands: Sequence[Ended], rounds: Sequence[Round]) -> None:
    failed = [command for command in commands if command.status != 200]
    print(f"{len(commands)} commands at {rate:g} a second, {len(failed)} failed")
    print(f"{'round':6} {'':16} {'seconds':>8} {'p50 ms':>9} {'p99 ms':>9} {'/ steady':>9}")
    for number, found in enumerate(rounds, 1):
        steady = _percentile(found.steady.of(commands), 0.99)
        for name, window in zip(("steady", "check to ready", "pods"), found, strict=True):
            times = window.of(commands)
            middle, slow = _percentile(times, 0.5), _percentile(times, 0.99)
            length = window.end - window.begin
            print(
                f"{number:<6} {name:16} {length:8.1f} {middle:9.1f} {slow:9.1f}"
                f" {slow / steady:9.2f}"
            )
    for name in ("whole", "pods"):
        ratios = [
            _percentile(getattr(found, name).of(commands), 0.99)
            / _percentile(found.steady.of(commands), 0.99)
            for found in rounds
        ]
        print(f"p99 of a rollout ({name}) / steady, median of the rounds: {median(ratios):.2f}")
    print(f"load average {' '.join(f'{each:.1f}' for each in os.getloadavg())}")


def _percentile(times: Sequence[float], share: float) -> float:
    return times[min(len(times) - 1, int(len(times) * share))]


def _check(bank: Bank, commands: Sequence[Ended]) -> None:
    """Compare what was answered with what is stored: each deposit has an amount of its own."""
    answered = sum(command.status == 200 for command in commands)
    stored, distinct = bank.sql(_STORED).split("|")
    print(f"{answered} answered, {stored} stored, {int(stored) - int(distinct)} of them doubled")
    lost = max(0, answered - int(distinct))
    print(f"{lost} lost")
    if lost or stored != distinct:
        raise SystemExit("commands were lost or doubled")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rate", type=float, default=500, help="commands a second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20, help="without a change, in each round")
    given = parser.parse_args()
    measure(given.rate, given.rounds, given.seconds)
