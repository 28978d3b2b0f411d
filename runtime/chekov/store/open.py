"""Opening stores by their options, with optional libraries imported only when needed."""

from collections.abc import Callable
from pathlib import Path

from chekov.domain.domain import Domain
from chekov.errors import StoreError
from chekov.store.port import Store


def open_store(
    store: str | Store,
    *,
    schema: str = "chekov",
    pool_size: int = 10,
    migrate: bool = True,
) -> Store:
    """The store itself, or the one in Postgres that a DSN names; to be entered by the caller.

    Args:
        store: a store, or a `postgresql://` URL.
        schema: holds the store's tables in that database.
        pool_size: most connections for reading and for subscriptions.
        migrate: bring the schema up to date when opening.

    Raises:
        StoreError: the driver is not installed, or the DSN is invalid.
    """
    if not isinstance(store, str):
        return store
    if not store.startswith(("postgresql://", "postgres://")):
        raise StoreError("a store is named by a URL like postgresql://user:password@host/database")
    try:
        from chekov.store.postgres.store import PostgresStore  # noqa: PLC0415 only if needed
    except ImportError as error:
        raise StoreError("the driver is missing: pip install 'chekov[postgres]'") from error
    return PostgresStore(store, schema=schema, pool_size=pool_size, migrate=migrate)


def seal_store(
    store: Store, domain: Domain, *, master_key: str | Path | None, on_forgotten: Callable[[], None]
) -> Store:
    """Wrap a store so that it seals personal data, if the domain has any.

    Args:
        store: the store to wrap.
        domain: says what is personal.
        master_key: a file with the key that wraps those of personal data, or a folder of such
            files, the last of which is used; without one, these keys are kept as they are.
        on_forgotten: called when everything cached in plain must be dropped.

    Raises:
        StoreError: cryptography is not installed.
        KeyUnusable: the master key is missing.
    """
    if not domain.personal:
        return store
    try:
        from chekov.store.sealing.master import MasterKeys  # noqa: PLC0415 only if needed
        from chekov.store.sealing.store import SealedStore  # noqa: PLC0415 only if needed
    except ImportError as error:
        raise StoreError(
            f"domain {domain.name!r} has personal fields, and the library to seal them is "
            "missing: pip install 'chekov[crypto]'"
        ) from error
    keys = MasterKeys(None if master_key is None else Path(master_key))
    return SealedStore(store, domain, keys, on_forgotten)
