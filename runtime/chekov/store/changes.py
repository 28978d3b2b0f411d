"""What a store lets others wait for: one counter per topic, the same in memory and in Postgres."""

from typing import Literal, TypeAlias

from chekov.watermark import Watermark

Topic: TypeAlias = Literal["events", "subscriptions", "keys"]


class Changes:
    """Counters that rise with each change, by whatever process.

    Attributes:
        events: the newest position known.
        subscriptions: rises when a subscription may have become free.
        keys: rises when keys may have been deleted or events erased.
    """

    def __init__(self) -> None:
        self.events = Watermark()
        self.subscriptions = Watermark()
        self.keys = Watermark()

    async def wait(self, topic: Topic, seen: int, timeout: float) -> int:
        """See `Store.wait`."""
        mark: Watermark = getattr(self, topic)
        return await mark.wait_above(seen, timeout)

    def wake_all(self) -> None:
        """Let every waiter look again."""
        for mark in (self.events, self.subscriptions, self.keys):
            mark.wake_all()
