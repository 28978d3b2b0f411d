"""The API keeps to its own description, whatever it is sent: all checks of schemathesis."""

import asyncio
import os
import re
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.integration.api_schema.hooks import ACCOUNT
from tests.integration.server_process import bank, chekov_for

SECONDS = 600
FOLDER = Path(__file__).parent / "api_schema"


@pytest.mark.timeout(SECONDS)
async def test_the_bank_keeps_to_its_description(dsn: str, tmp_path: Path) -> None:
    async with chekov_for(SECONDS, "serve", **bank(dsn)) as server:
        await server.serving()
        async with aiohttp.ClientSession() as client:
            opened = {"account_id": ACCOUNT, "owner": "Ada"}
            response = await client.post(server.api("/commands/OpenAccount"), json=opened)
            assert response.status == 200
        child = await asyncio.create_subprocess_exec(
            Path(sys.executable).parent / "schemathesis",
            f"--config-file={FOLDER / 'schemathesis.toml'}",
            "run",
            server.api("/openapi.json"),
            "--phases=examples,coverage,fuzzing",
            cwd=tmp_path,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "hooks",
                "PYTHONPATH": str(FOLDER),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        report, _ = await child.communicate()
        server.terminate()
        await server.ended()
    assert child.returncode == 0, report.decode()
    found = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", report.decode())
    assert found is not None
    assert len(set(found.groups())) == 1, found[0]
