"""A newcomer finds each behaviour by the name of its file, within two guesses.

The guesses are the words that event sourcing, databases or Kubernetes use. A guess finds a module
if its file name contains it; the module must also hold the behaviour, shown by a piece of its code.
"""

from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted([*ROOT.glob("runtime/**/*.py"), *ROOT.glob("operator/**/*.py")])


class Behaviour(NamedTuple):
    """What is looked for.

    Attributes:
        guesses: two words to look for in file names.
        code: what the right module contains.
    """

    guesses: tuple[str, str]
    code: str


BEHAVIOURS = {
    "dead letters": Behaviour(("dead_letter", "parking"), "class Parking"),
    "idempotency": Behaviour(("idempotency", "idempotent"), "class Idempotency"),
    "rehydration": Behaviour(("rehydration", "replay"), "class Rehydrator"),
    "lag metric": Behaviour(("lag", "collector"), '"subscription_lag_events"'),
    "server-sent events": Behaviour(("sse", "event_stream"), "text/event-stream"),
    "connection pool": Behaviour(("pool", "connection"), "create_pool("),
    "head cache": Behaviour(("head_cache", "cache"), "class HeadCache"),
    "snapshot format": Behaviour(("snapshot", "serialization"), "class SnapshotCodec"),
    "lease": Behaviour(("lease", "claim"), "class LeaseKeeper"),
    "retry": Behaviour(("retry", "backoff"), "class Retry"),
    "upcasting": Behaviour(("upcasting", "evolution"), "class Upcaster"),
    "group commit": Behaviour(("group_commit", "committer"), "class Committer"),
    "rollout": Behaviour(("rollout", "deployment"), "class Rollout"),
    "drift repair": Behaviour(("drift", "repair"), "def differences("),
    "status writing": Behaviour(("status", "conditions"), "class StatusWriter"),
    "leader election": Behaviour(("leader", "lease"), "class LeaseLost"),
}


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_behaviour_is_found_by_two_guesses(name: str) -> None:
    behaviour = BEHAVIOURS[name]
    homes = [path for path in MODULES if behaviour.code in path.read_text()]
    assert homes, f"no module contains {behaviour.code!r}"
    assert [path for path in homes if any(guess in path.stem for guess in behaviour.guesses)], [
        path.relative_to(ROOT).as_posix() for path in homes
    ]


def test_there_are_sixteen_behaviours_and_many_modules() -> None:
    assert len(BEHAVIOURS) == 16
    assert len(MODULES) > 100
