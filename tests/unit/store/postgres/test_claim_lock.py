"""Each subscription has a lock of its own, in which the epoch of a claim can be read."""

import re
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chekov.store.port import Claim, SubscriptionKey
from chekov.store.postgres.claim_lock import lock_number, lock_statement

KEY = SubscriptionKey("bank", "balances")


def halves(statement: str) -> Sequence[int]:
    """The two numbers of a lock, without sign, as `pg_locks` shows them."""
    found = re.fullmatch(r"select pg_advisory_xact_lock_shared\((-?\d+), (-?\d+)\);", statement)
    assert found is not None
    numbers = [int(number) for number in found.groups()]
    assert all(-(2**31) <= number < 2**31 for number in numbers)
    return [number % 2**32 for number in numbers]


@given(st.integers(1, 2**62), st.integers(0, 1000), st.text(max_size=5))
def test_a_lock_holds_the_number_of_its_subscription_and_the_last_bits_of_the_epoch(
    epoch: int, partition: int, schema: str
) -> None:
    key = replace(KEY, partition=partition)
    first, second = halves(lock_statement(schema, Claim(key, "one", epoch, 0)))
    number = lock_number(schema, key)
    assert (first, second >> 16, second % 2**16) == (number >> 16, number % 2**16, epoch % 2**16)


def test_a_hundred_thousand_partitions_have_as_many_locks() -> None:
    keys = [
        SubscriptionKey("bank", f"handler-{name}", partition=partition)
        for name in range(100)
        for partition in range(1000)
    ]
    numbers = {lock_number("chekov", key) for key in keys}
    assert len(numbers) == len(keys)  # with 32 bits, one would expect a pair of equal ones
    assert max(numbers) < 2**48
