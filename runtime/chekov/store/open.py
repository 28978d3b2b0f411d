"""Opens a store by what names it, so that only who needs Postgres imports its driver."""

from collections.abc import Callable

from chekov.errors import StoreError
from chekov.store.port import Store


def open_store(
    store: str | Store,
    *,
    schema: str = "chekov",
    pool_size: int = 10,
    migrate: bool = True,
    on_batch: Callable[[int, int, float], None] | None = None,
) -> Store:
    """The store itself, or the one in Postgres that a DSN names; to be entered by the caller.

    Args:
        store: a store, or a `postgresql://` URL.
        schema: holds the store's tables in that database.
        pool_size: most connections for reading and for subscriptions.
        migrate: bring the schema up to date when opening.
        on_batch: called after each statement of appends with appends, events and seconds.

    Raises:
        StoreError: the driver is not installed, or the DSN is none.
    """
    if not isinstance(store, str):
        return store
    if not store.startswith(("postgresql://", "postgres://")):
        raise StoreError("a store is named by a URL like postgresql://user:password@host/database")
    try:
        from chekov.store.postgres.store import PostgresStore  # noqa: PLC0415 only if needed
    except ImportError as error:
        raise StoreError("the driver is missing: pip install 'chekov[postgres]'") from error
    return PostgresStore(
        store, schema=schema, pool_size=pool_size, migrate=migrate, on_batch=on_batch
    )
