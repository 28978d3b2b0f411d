"""Rows and generations of the bank's projection, as a store holds them."""

from datetime import UTC, datetime
from typing import Any

from chekov.store.port import Generation, SubscriptionKey, SubscriptionRow


def row(**changes: Any) -> SubscriptionRow:
    """The row of a partition; `partition`, `version`, `generation` and `name` are of its key."""
    given: dict[str, Any] = {name: changes.pop(name) for name in _OF_KEY if name in changes}
    values: dict[str, Any] = {
        "position": 10,
        "owner": "bank-1/7f",
        "epoch": 1,
        "state": "running",
        "error": None,
        "parked": 0,
        "updated": datetime(2026, 11, 24, tzinfo=UTC),
    }
    key = SubscriptionKey("bank", given.pop("name", "balances"), **given)
    return SubscriptionRow(key=key, **{**values, **changes})


def generation(number: int = 2, **changes: Any) -> Generation:
    """A generation that is being built."""
    values: dict[str, Any] = {
        "schema_name": f"chekov_bank_balances_1_{number}",
        "state": "building",
        "position": 4,
        "target": 10,
        "age": 8.0,
        "in_use": True,
    }
    key = SubscriptionKey("bank", "balances", generation=number)
    return Generation(key, **{**values, **changes})


_OF_KEY = ("name", "version", "partition", "generation")
