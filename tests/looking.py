"""A store as it looks from outside."""

from chekov.store.postgres.inspect import Inspector, StoreStatus


async def look(dsn: str, schema: str = "chekov") -> StoreStatus:
    """One look at it."""
    inspector = Inspector(dsn)
    try:
        return await inspector.status(schema)
    finally:
        inspector.close()
