"""What every store must do, as a test suite for whoever writes one.

Subclass `StoreContract` in a test module and give it a fixture `store` that yields an open, empty
store. It needs pytest with pytest-asyncio in its automatic mode.
"""

from chekov.testing.contract.events import EventsContract
from chekov.testing.contract.subscriptions import SubscriptionsContract

__all__ = ["EventsContract", "StoreContract", "SubscriptionsContract"]


class StoreContract(EventsContract, SubscriptionsContract):
    """Both halves of the port."""
