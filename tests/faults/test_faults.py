"""Real processes over one Postgres, under everything that can happen to them: nothing is lost.

`CHEKOV_FAULT_SEED` repeats a run, as far as processes can repeat one; `CHEKOV_FAULT_ROUNDS` makes
it longer: in each round everything happens once, in an order of its own; `make faults` runs ten.
"""

import os
import random
from pathlib import Path

import pytest

from chekov.embedded_postgres import EmbeddedPostgres
from tests.faults.cluster import Cluster
from tests.faults.history import check, faults_of
from tests.faults.plants import PLANTS
from tests.integration.small_disk import small_disk

SEED = int(os.environ.get("CHEKOV_FAULT_SEED") or random.randrange(10**6))
ROUNDS = int(os.environ.get("CHEKOV_FAULT_ROUNDS") or 1)
NODES = 3


@pytest.mark.timeout(1800 * ROUNDS)
async def test_nothing_is_lost_doubled_or_out_of_order(tmp_path: Path) -> None:
    print(f"CHEKOV_FAULT_SEED={SEED} CHEKOV_FAULT_ROUNDS={ROUNDS}")  # noqa: T201
    settings = {"min_wal_size": "32MB", "max_wal_size": "32MB"}
    with small_disk(100 + 60 * ROUNDS) as room:
        server = EmbeddedPostgres(room.folder, settings=settings)
        await server.start()
        try:
            cluster = Cluster(server, room, tmp_path, SEED)
            async with cluster.running(NODES):
                for _ in range(ROUNDS):
                    for fault in cluster.faults:
                        print(fault.__name__)  # noqa: T201
                        await fault()
                        await cluster.goes_on()
            history = await cluster.history()
        finally:
            await server.stop()
    check(history)
    assert len(history.log) > NODES * 100
    # What the check would have found.
    for plant, words in PLANTS:
        found = list(faults_of(plant(history)))
        assert any(words in fault for fault in found), (plant.__name__, found[:5])
