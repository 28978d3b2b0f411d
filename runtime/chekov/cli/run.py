"""`chekov serve` and `chekov run`: a domain, served until a signal comes."""

import asyncio
from argparse import Namespace
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from chekov.cli.output import complain, show, show_json
from chekov.domain.definitions import stream_of
from chekov.domain.domain import Domain
from chekov.embedded_postgres import EmbeddedPostgres
from chekov.errors import InvalidBundleFile, StoreError
from chekov.serialization.codec import convert
from chekov.serialization.examples import example
from chekov.serialization.json import to_json
from chekov.server.bundle_file import read_bundle
from chekov.server.domain_loader import configured_domain, load_domain
from chekov.server.lifecycle import Lifecycle
from chekov.server.serve import Ports, run, serve
from chekov.server.settings import Settings, provide
from chekov.telemetry import logs

_LOCAL: Final = {
    "CHEKOV_HTTP_HOST": "127.0.0.1",
    "CHEKOV_LOG_FORMAT": "text",
    "CHEKOV_LOG_LEVEL": "warning",
    "CHEKOV_MIGRATE": "true",
    "CHEKOV_NODE": "local",
}

_RESTART_SECONDS: Final = 0.5


def serve_from_environment(_arguments: Namespace) -> int:
    """Serve the domain that the environment names."""
    settings = Settings.read()
    settings.require("store", "domain")
    logs.configure(settings.log_format, settings.log_level)
    domain = configured_domain(settings)
    run(lambda lifecycle: serve(settings, domain, lifecycle))
    return 0


def run_here(arguments: Namespace) -> int:
    """Serve a bundle or a domain on this machine."""
    with ExitStack() as stack:
        name, entrypoint, folder = _code(arguments.bundle, stack)
        settings = Settings.read(
            defaults={**_LOCAL, "CHEKOV_BUNDLE": name},
            overrides={
                "CHEKOV_STORE": arguments.dsn,
                "CHEKOV_SCHEMA": arguments.schema,
                "CHEKOV_STORE_POOLED": arguments.pooled,
                "CHEKOV_DOMAIN": entrypoint,
                "CHEKOV_HTTP_PORT": arguments.http_port,
                "CHEKOV_MANAGEMENT_PORT": arguments.management_port,
            },
        )
        logs.configure(settings.log_format, settings.log_level)
        domain = load_domain(entrypoint, folder)
        announcer = _announcer(settings, domain, arguments)
        run(lambda lifecycle: _run(settings, domain, arguments, lifecycle, announcer))
    return 0


async def _run(
    settings: Settings,
    domain: Domain,
    arguments: Namespace,
    lifecycle: Lifecycle,
    announcer: Callable[[str], Callable[[Ports], None]],
) -> None:
    async with AsyncExitStack() as stack:
        if arguments.dsn is not None:
            where = f"the Postgres of --dsn, schema {settings.schema}"
            settings = replace(settings, store=arguments.dsn)
            await serve(settings, domain, lifecycle, announcer(where))
            return
        folder = Path(arguments.data) / "postgres"
        complain(f"starting Postgres in {folder}")
        server = await stack.enter_async_context(EmbeddedPostgres(folder).running())
        settings = replace(settings, store=server.dsn)
        async with _kept_running(server, lifecycle):
            await serve(settings, domain, lifecycle, announcer(str(folder)))


@asynccontextmanager
async def _kept_running(server: EmbeddedPostgres, lifecycle: Lifecycle) -> AsyncGenerator[None]:
    """Start the server again whenever it ends; stop the lifecycle when it cannot be started.

    Raises:
        StoreError: it could not.
    """
    failed: Exception | None = None
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(_restart(server))
        watching.add_done_callback(lambda task: None if task.cancelled() else lifecycle.stop())
        try:
            yield
        except Exception as error:  # noqa: BLE001 the group would wrap it
            failed = error
        finally:
            watching.cancel()
    if not watching.cancelled():
        raise watching.result() from failed
    if failed is not None:
        raise failed


async def _restart(server: EmbeddedPostgres) -> StoreError:
    """Start the server again whenever it ends, and return why it could not be started."""
    while True:
        complain(f"{await server.ended()}; it is started again")
        # One that ends again and again is not started in a tight loop.
        await asyncio.sleep(_RESTART_SECONDS)
        try:
            await server.start()
        except StoreError as error:
            return error


def _code(bundle: str, stack: ExitStack) -> tuple[str, str, Path]:
    """Name, entrypoint and folder of the code to run."""
    path = Path(bundle)
    module, _, attribute = bundle.partition(":")
    if Path(module).suffix == ".py" or not (attribute or path.is_file() or _is_bundle(path)):
        stem = Path(module).with_suffix("") if Path(module).name else Path("module")
        name = ".".join(stem.parts).lstrip("/.")
        raise InvalidBundleFile(
            f"{bundle}: expected a DomainBundle in YAML, or a domain as module:name, such as "
            f"{name}:{attribute or 'domain'}"
        )
    if _is_bundle(path) or path.is_file():
        read = read_bundle(path)
        provide(read.environment)
        return read.name, read.entrypoint, stack.enter_context(read.code())
    return module, bundle, Path.cwd()


def _is_bundle(path: Path) -> bool:
    return path.suffix in {".yaml", ".yml", ".json"}


def _announcer(
    settings: Settings, domain: Domain, arguments: Namespace
) -> Callable[[str], Callable[[Ports], None]]:
    def announcing(where: str) -> Callable[[Ports], None]:
        def announce(ports: Ports) -> None:
            scheme = "https" if settings.tls_certificate else "http"
            api = f"{scheme}://{settings.http_host}:{ports.http}"
            management = f"{scheme}://{settings.http_host}:{ports.management}"
            first = first_requests(domain, api)
            if arguments.output == "json":
                show_json({"http": api, "management": management, "data": where, "try": first})
            else:
                show(_welcome(domain.name, api, management, where, first))

        return announce

    return announcing


def _welcome(name: str, api: str, management: str, where: str, first: list[str]) -> str:
    lines = [
        f"{name} is running. Ctrl-C stops it; its events stay.",
        "",
        f"  API         {api}  (described at /openapi.json)",
        f"  Management  {management}  (/metrics, /readyz, /subscriptions)",
        f"  Events      {where}",
    ]
    if first:
        lines += ["", "Try:", *(f"  {line}" for line in first)]
    return "\n".join(lines)


def first_requests(domain: Domain, api: str) -> list[str]:
    """Command lines that execute a command of the domain and show its events.

    Empty if no command has an example.
    """
    for name, command in domain.commands.items():
        aggregate = domain.aggregate_of(command)
        body = example(command)
        if aggregate is None or body is None:
            continue
        identifier = getattr(convert(body, command), domain.identifier_of(command))
        document = to_json(body).decode().replace("'", "'\\''")
        return [
            f"curl -s {api}/commands/{name} --json '{document}'",
            f"curl -s {api}/streams/{stream_of(aggregate, identifier)}",
        ]
    return []
