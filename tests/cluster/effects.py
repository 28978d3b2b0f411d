"""A bank that writes down what it handled: each deposit once, in order, or a test fails."""

from tests.cluster.bank import SOURCE, Bank
from tests.cluster.kube.shell import wait_for
from tests.faults.history import Effect, faults_of_effects

PARTITIONS = 4
ADDED = f'''
from chekov import Context, EventHandler


class Effects(Projection, name="effects"):
    """Adds a row for each deposit, whether there is one or not."""

    tables = """
        create table effects (
            number bigserial primary key, position bigint not null, stream text not null
        )
    """

    @handle
    async def deposited(self, event: MoneyDeposited, transaction: Transaction) -> None:
        transaction.write(
            "insert into effects (position, stream) values ($1, $2)",
            transaction.position,
            transaction.stream,
        )


class Notes(EventHandler, name="notes", partitions={PARTITIONS}):
    @handle
    async def deposited(self, event: MoneyDeposited, context: Context) -> None:
        pass


domain = Domain('''
NOTING = SOURCE.replace("\ndomain = Domain(", ADDED).replace(
    "handlers=[", "handlers=[Effects(), Notes(), "
)


def assert_each_deposit_had_its_effect(bank: Bank) -> None:
    """Wait until everything is handled, and compare what was written with what is stored."""
    wait_for("everything to be handled", lambda: _are_all_handled(bank), timeout=60)
    streams = {
        event["position"]: event["stream"]
        for event in bank.history()
        if event["type"].partition("@")[0] == "money-deposited"
    }
    assert list(faults_of_effects(streams, _effects(bank))) == []
    assert bank.sql("select count(*) from chekov.parked") == "0"


def _are_all_handled(bank: Bank) -> bool:
    lowest = "select min(position) from chekov.subscriptions"
    return bank.sql(lowest) == bank.sql("select max(position) from chekov.events")


def _effects(bank: Bank) -> list[Effect]:
    [schema] = bank.sql("select schemaname from pg_tables where tablename = 'effects'").splitlines()
    rows = bank.sql(f'select number, position, stream from "{schema}".effects order by number')
    cells = (row.split("|") for row in rows.splitlines())
    return [Effect(int(number), int(position), stream) for number, position, stream in cells]
