"""Accepted conditions are checked again."""

from uuid import uuid4

import pytest

from chekov import MemoryStore, NewEvent, Runtime, Scope
from chekov.domain.scope import ScopeItem
from chekov.engine.commands.condition_checks import MOST_CHECKED, ConditionChecks
from chekov.store.port import NoneSince
from tests.unit.engine.boundaries.examples import IssueInvoice, examples

CLAIMS = Scope((ScopeItem(types=frozenset({"claimed"})),))


def claim() -> NewEvent:
    return NewEvent(uuid4(), "claimed", b"{}")


async def test_a_condition_that_held_is_no_violation(memory_store: MemoryStore) -> None:
    checks = ConditionChecks(memory_store)
    for n in range(3):
        condition = NoneSince(CLAIMS, n)
        checks.accepted(condition, await memory_store.append("a", [claim()], condition=condition))
    await checks.check()
    assert (checks.checked, checks.violations) == (3, 0)
    await checks.check()
    assert checks.checked == 3


async def test_a_condition_that_did_not_hold_is_one(
    memory_store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    checks = ConditionChecks(memory_store)
    await memory_store.append("a", [claim()])
    appended = await memory_store.append("b", [claim(), claim()])
    checks.accepted(NoneSince(CLAIMS, 0), appended)
    checks.accepted(NoneSince(CLAIMS, 1), appended)
    await checks.check()
    assert (checks.checked, checks.violations) == (2, 1)
    assert "run `chekov verify`" in caplog.text


async def test_what_was_lost_with_its_log_is_none(memory_store: MemoryStore) -> None:
    """Other events are at these positions."""
    checks = ConditionChecks(memory_store)
    await memory_store.append("a", [claim()])
    appended = await memory_store.append("b", [claim()])
    [lost] = appended.recorded
    replaced = appended._replace(recorded=[lost._replace(id=uuid4())])
    checks.accepted(NoneSince(CLAIMS, 0), replaced)
    checks.accepted(NoneSince(CLAIMS, 0, uuid4()), appended)
    await checks.check()
    assert checks.violations == 0
    checks.accepted(NoneSince(CLAIMS, 9, uuid4()), appended)
    await checks.check()
    assert checks.violations == 0


async def test_only_the_newest_are_checked() -> None:
    """So many that the database hardly notices."""
    async with Runtime(examples, store=MemoryStore()) as runtime:
        for n in range(MOST_CHECKED + 10):
            await runtime.dispatch(IssueInvoice(customer=f"c{n}"))
        checks = runtime.engine.dispatcher.conditions
        await checks.check()
        assert MOST_CHECKED <= checks.checked <= MOST_CHECKED + 10
        assert checks.violations == 0
