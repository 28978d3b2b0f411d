"""Deposits at a fixed rate until SIGTERM, however long the answers take.

Runs in a pod. Every command is due at a time of its own, and its latency counts from then, so that
what waits behind a slow answer counts as slow too. Prints a line of JSON each second: the commands
that ended, as [seconds since the epoch at which it was due, milliseconds, HTTP status or 0].
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from uuid import uuid4

import aiohttp


class Load:
    """One run."""

    def __init__(self, session: aiohttp.ClientSession, accounts: list[str]) -> None:
        self._session = session
        self._accounts = accounts
        self._ended: list[tuple[float, float, int]] = []
        self.stop = asyncio.Event()

    async def run(self, rate: float) -> None:
        """Send commands until stopped, and wait for the last answers."""
        began, number = time.time(), 0
        async with asyncio.TaskGroup() as tasks:
            printing = tasks.create_task(self._print())
            async with asyncio.TaskGroup() as commands:
                while not self.stop.is_set():
                    due = began + number / rate
                    if (early := due - time.time()) > 0:
                        await asyncio.sleep(early)
                    number += 1
                    commands.create_task(self._deposit(number, due))
            printing.cancel()
        self._write()
        sys.stdout.write(json.dumps({"sent": number}) + "\n")

    async def _deposit(self, number: int, due: float) -> None:
        account = self._accounts[number % len(self._accounts)]
        status = await self._post("Deposit", {"account_id": account, "amount": number})
        self._ended.append((round(due, 3), round((time.time() - due) * 1000, 1), status))

    async def open_accounts(self) -> None:
        """Open the accounts one after the other."""
        for account in self._accounts:
            status = await self._post("OpenAccount", {"account_id": account, "owner": "load"})
            if status != 200:
                raise SystemExit(f"OpenAccount: {status}")

    async def _post(self, command: str, body: dict[str, object]) -> int:
        headers = {"Idempotency-Key": str(uuid4())}
        try:
            async with self._session.post(
                f"/commands/{command}", json=body, headers=headers
            ) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            sys.stderr.write(f"{time.time():.3f} {error!r}\n")
            return 0

    async def _print(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._write()

    def _write(self) -> None:
        ended, self._ended = self._ended, []
        sys.stdout.write(json.dumps(ended) + "\n")
        sys.stdout.flush()


async def main() -> None:
    """Open accounts, then deposit into them in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--accounts", type=int, default=200)
    arguments = parser.parse_args()
    accounts = [str(uuid4()) for _ in range(arguments.accounts)]
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(arguments.url, timeout=timeout) as session:
        load = Load(session, accounts)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.stop.set)
        await load.open_accounts()
        await load.run(arguments.rate)


if __name__ == "__main__":
    asyncio.run(main())
