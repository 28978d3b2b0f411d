"""A backup of a store, and its restore under processes that go on."""

import asyncpg

_TABLES = ("events", "subscriptions", "store")
_BACKUP = "\n".join(
    ["create schema backup;"]
    + [f"create table backup.{name} as select * from chekov.{name};" for name in _TABLES]
)
_RESTORE = """
begin;
alter table chekov.events disable trigger all;
truncate chekov.events, chekov.streams, chekov.subscriptions, chekov.store;
alter table chekov.events enable trigger all;
insert into chekov.events select * from backup.events order by position;
insert into chekov.subscriptions select * from backup.subscriptions;
insert into chekov.store select * from backup.store;
{then};
commit;
"""


async def run(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def back_up(dsn: str) -> None:
    await run(dsn, _BACKUP)


async def restore(dsn: str, then: str = "") -> None:
    """Bring the tables back to the backup and run another statement, in one transaction."""
    await run(dsn, _RESTORE.format(then=then))
