"""The store in Postgres, on asyncpg: the only package that imports it."""

from chekov.store.postgres.pool import PostgresPool
from chekov.store.postgres.store import PostgresStore

__all__ = ["PostgresPool", "PostgresStore"]
