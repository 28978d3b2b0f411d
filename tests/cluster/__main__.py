"""Manage the test cluster by hand: `python -m tests.cluster up`."""

import argparse
import sys

from tests.cluster import demo
from tests.cluster.clusters import OwnCluster, chosen_cluster
from tests.cluster.kube import node
from tests.cluster.kube.binaries import build_everything
from tests.cluster.kube.shell import CommandFailed, GaveUp

COMMANDS = {
    "programs": "build the programs that tests need",
    "build": "build the node's programs and base images, and nothing else",
    "up": "start the cluster, unless it runs",
    "images": "build the images from the work tree and load them",
    "demo": "up, images, charts, and the bank with a Postgres and a Prometheus to look at",
    "load": "let money move on that bank for ten minutes",
    "down": "stop the cluster with everything on it",
    "status": "print whether it runs",
    "env": 'print what a shell needs to use it: eval "$(python -m tests.cluster env)"',
    "inside": "run a program in the namespaces of the node: inside -- ip route",
}


def _inside(words: list[str]) -> None:
    sys.stdout.write(node.run_inside(OwnCluster().layout, *words))


def _status() -> None:
    state = "up" if chosen_cluster().is_up() else "down"
    sys.stdout.write(f"{state}\n")


def _env() -> None:
    values = chosen_cluster().environment().items()
    sys.stdout.write("export " + " ".join(f"{name}='{value}'" for name, value in values) + "\n")


def main() -> None:
    described = "\n".join(f"  {name:8} {text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster",
        description=f"A real Kubernetes to test on.\n\n{described}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("words", nargs="*", help="the program to run inside")
    arguments = parser.parse_args()
    actions = {
        "programs": lambda: build_everything(OwnCluster().layout),
        "build": lambda: OwnCluster().build(),
        "up": lambda: chosen_cluster().up(),
        "images": lambda: chosen_cluster().provide_images(),
        "demo": lambda: demo.show(sys.executable),
        "load": demo.load,
        "down": lambda: chosen_cluster().down(),
        "status": _status,
        "env": _env,
        "inside": lambda: _inside(arguments.words),
    }
    try:
        actions[arguments.command]()
    except (CommandFailed, GaveUp) as error:
        sys.exit(f"cluster: {error}")


if __name__ == "__main__":
    main()
