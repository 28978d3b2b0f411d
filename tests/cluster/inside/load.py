"""Deposits money until SIGTERM, and records every response in a ledger.

Runs in a pod. Prints one line of JSON each half second with the counts so far, and at the end one
with the ledger. It sends no command twice: what has no clear answer stays unknown, so that the
ledger can be held against the history that the store keeps.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import count, cycle, pairwise
from typing import Any
from uuid import uuid4

import aiohttp

# Enough to keep every pod busy, far from enough to fill a small machine.
PAUSE_SECONDS = 0.02
TRANSFER_SECONDS = 0.5


@dataclass
class Ledger:
    """What became of every command.

    Attributes:
        acknowledged: Command id, account, amount and position of each that was answered with 200.
        refused: How many were certainly not stored: not sent, or answered so.
        unknown: Ids of those that may have been stored or not.
        failures: The first few failures, in words.
        slowest: Seconds that the longest answer took.
    """

    acknowledged: list[tuple[str, str, int, int]] = field(default_factory=list[Any])
    refused: int = 0
    unknown: list[str] = field(default_factory=list[str])
    failures: list[str] = field(default_factory=list[str])
    slowest: float = 0.0

    def fail(self, reason: str) -> None:
        """Remember the first failures."""
        if len(self.failures) < 20:
            self.failures.append(f"{time.time():.2f} {reason}")

    def counts(self) -> dict[str, int]:
        """How many there are of each kind."""
        return {
            "acknowledged": len(self.acknowledged),
            "refused": self.refused,
            "unknown": len(self.unknown),
        }


async def post(
    session: aiohttp.ClientSession, command: str, body: dict[str, Any], command_id: str
) -> tuple[int, Any]:
    """Send one command and return its status and answer."""
    headers = {"Idempotency-Key": command_id}
    async with session.post(f"/commands/{command}", json=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def deposit(
    session: aiohttp.ClientSession, ledger: Ledger, account: str, amount: int
) -> None:
    """Deposit once and write down what came of it."""
    command_id = str(uuid4())
    body = {"account_id": account, "amount": amount}
    began = time.monotonic()
    try:
        status, answer = await post(session, "Deposit", body, command_id)
    except aiohttp.ClientConnectorError as error:
        ledger.refused += 1
        ledger.fail(f"not sent: {error}")
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        ledger.unknown.append(command_id)
        ledger.fail(f"no answer: {error!r}")
    else:
        if status == 200:
            ledger.acknowledged.append((command_id, account, amount, answer["position"]))
        elif answer.get("stored") is False:
            ledger.refused += 1
            ledger.fail(f"{status}: {answer}")
        else:
            ledger.unknown.append(command_id)
            ledger.fail(f"{status}: {answer}")
    ledger.slowest = max(ledger.slowest, time.monotonic() - began)


async def open_account(session: aiohttp.ClientSession, account: str) -> None:
    """Open an account before the load begins; here an answer is owed."""
    body = {"account_id": account, "owner": "load"}
    status, answer = await post(session, "OpenAccount", body, str(uuid4()))
    if status != 200:
        raise SystemExit(f"OpenAccount: {status} {answer}")


async def work(
    session: aiohttp.ClientSession,
    ledger: Ledger,
    accounts: list[str],
    numbers: Iterator[int],
    stop: asyncio.Event,
) -> None:
    """Deposit again and again, until stopped."""
    while not stop.is_set():
        number = next(numbers)
        await deposit(session, ledger, accounts[number % len(accounts)], number)
        await asyncio.sleep(PAUSE_SECONDS)


async def transfer(
    session: aiohttp.ClientSession, accounts: list[str], stop: asyncio.Event
) -> None:
    """Request transfers between accounts, until stopped. They are not in the ledger."""
    for source, target in cycle(pairwise(accounts)):
        if stop.is_set():
            return
        body = {"transfer_id": str(uuid4()), "source": source, "target": target, "amount": 1}
        await post(session, "RequestTransfer", body, str(uuid4()))
        await asyncio.sleep(TRANSFER_SECONDS)


def print_json(content: object) -> None:
    """Print a line of JSON."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


async def report(ledger: Ledger, stop: asyncio.Event) -> None:
    """Print the counts so far, until stopped."""
    while not stop.is_set():
        print_json(ledger.counts())
        await asyncio.sleep(0.5)


async def main() -> None:
    """Open accounts, then deposit into them from several connections at once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--accounts", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--transfers", action="store_true", help="request transfers, too")
    arguments = parser.parse_args()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    ledger, numbers = Ledger(), count(1)
    accounts = [str(uuid4()) for _ in range(arguments.accounts)]
    timeout = aiohttp.ClientTimeout(total=15)
    async with aiohttp.ClientSession(arguments.url, timeout=timeout) as session:
        for account in accounts:
            await open_account(session, account)
        try:
            async with asyncio.timeout(arguments.seconds), asyncio.TaskGroup() as tasks:
                tasks.create_task(report(ledger, stop))
                if arguments.transfers:
                    tasks.create_task(transfer(session, accounts, stop))
                for _ in range(arguments.workers):
                    tasks.create_task(work(session, ledger, accounts, numbers, stop))
        except TimeoutError:
            ledger.fail("it was not stopped")
    print_json(asdict(ledger))


if __name__ == "__main__":
    asyncio.run(main())
