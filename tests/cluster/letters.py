"""A bundle that only handles events, which the bank stores."""

from typing import Any

from tests.cluster import manifests
from tests.cluster.bank import Bank

SOURCE = '''"""Writes a letter for each deposit."""

from chekov import Domain, Event, Projection, Transaction, handle


class MoneyDeposited(Event, name="money-deposited"):
    amount: int


class Letters(Projection, name="letters"):
    tables = "create table letters (position bigint primary key)"

    @handle
    async def deposited(self, event: MoneyDeposited, transaction: Transaction) -> None:
        transaction.write("insert into letters values ($1)", transaction.position)


domain = Domain("letters", handlers=[Letters])
'''


def apply(bank: Bank, **settings: Any) -> Bank:
    """Apply it beside the bank, and return it once it is ready."""
    found = Bank(bank.kubectl, bank.cluster, name="letters")
    code = manifests.inline(SOURCE, "letters.py")
    body = manifests.bundle(found.name, code, entrypoint="letters:domain", **settings)
    if "autoscaling" in settings:
        del body["spec"]["replicas"]
    found.kubectl.apply(body)
    found.wait_until_ready()
    return found


def last(bank: Bank) -> int:
    """The position of the last deposit that has its letter."""
    [schema] = bank.sql("select schemaname from pg_tables where tablename = 'letters'").split()
    return int(bank.sql(f'select coalesce(max(position), 0) from "{schema}".letters'))
