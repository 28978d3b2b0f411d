"""A real PgBouncer in transaction mode, as strict as it comes, before the Postgres of a DSN."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from chekov.embedded_postgres import free_port
from tests.cluster.kube.shell import wait_for
from tests.packages import provide

CONFIGURATION = """
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 8
max_client_conn = 500
"""


@contextmanager
def pgbouncer(dsn: str) -> Generator[int]:
    """Run it, and give its port; it knows the user of the DSN."""
    provide(
        {"pgbouncer": "pgbouncer"},
        otherwise="Elsewhere, install PgBouncer 1.18 or newer and put it on the PATH",
    )
    where = urlsplit(dsn)
    with tempfile.TemporaryDirectory(prefix="chekov-") as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)
        (folder / "users.txt").write_text(f'"{where.username}" "{where.password}"\n')
        file = folder / "pgbouncer.ini"
        file.write_text(
            CONFIGURATION.format(host=where.hostname, port=where.port, own=port, folder=folder)
        )
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program is not None
        user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        with subprocess.Popen([program, "-q", file], stderr=subprocess.DEVNULL, user=user) as child:
            try:
                wait_for("PgBouncer", lambda: answers(port))
                yield port
            finally:
                child.kill()


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def through(dsn: str, port: int) -> str:
    """The DSN of the same database by way of PgBouncer."""
    where = urlsplit(dsn)
    return where._replace(netloc=f"{where.username}:{where.password}@127.0.0.1:{port}").geturl()
