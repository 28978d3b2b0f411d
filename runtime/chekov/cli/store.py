"""The event store that a command's options, or else the environment, name."""

from argparse import Namespace
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from chekov.server.domain_loader import configured_domain
from chekov.server.settings import Settings
from chekov.store.postgres import PostgresStore

_CONNECTIONS: Final = 2
_PATIENCE: Final = 3.0


def store_settings(arguments: Namespace) -> Settings:
    """Settings with a store, from `--dsn`, `--schema`, `--pooled` and the environment.

    Raises:
        SettingsError: no store is named, or a value cannot be used.
    """
    settings = Settings.read(
        overrides={
            "CHEKOV_STORE": arguments.dsn,
            "CHEKOV_SCHEMA": arguments.schema,
            "CHEKOV_STORE_POOLED": getattr(arguments, "pooled", None),
        }
    )
    settings.require("store")
    return settings


def domain_name(settings: Settings, arguments: Namespace) -> str:
    """The name of a domain, from `--domain` or the domain that the environment names.

    Raises:
        SettingsError: neither names one.
    """
    if arguments.domain is not None:
        return str(arguments.domain)
    return configured_domain(settings).name


@asynccontextmanager
async def opened(settings: Settings, *, read_only: bool = False) -> AsyncGenerator[PostgresStore]:
    """The store for one command: with few connections, and little patience if it is away."""
    async with PostgresStore(
        settings.store,
        schema=settings.schema,
        migrate=False,
        pooled=settings.pooled,
        pool_size=_CONNECTIONS,
        patience=_PATIENCE,
        read_only=read_only,
    ) as store:
        yield store
