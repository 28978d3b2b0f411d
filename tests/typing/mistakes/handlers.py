from chekov import (
    Connection,
    Context,
    Domain,
    Event,
    EventHandler,
    Projection,
    Transaction,
    handle,
    query,
)


class Opened(Event):
    owner: str


class Welcome(EventHandler, name="welcome"):
    @handle  # mistake: a handler is async
    def not_async(self, event: Opened, context: Context) -> None:
        pass

    @handle  # mistake: it takes a context
    async def no_context(self, event: Opened) -> None:
        pass

    @handle  # mistake: the second parameter is a context
    async def wrong_context(self, event: Opened, context: int) -> None:
        pass

    @handle  # mistake: the first parameter is an event
    async def no_event(self, event: str, context: Context) -> None:
        pass

    @handle
    async def writes(self, event: Opened, context: Context) -> None:
        del event
        await context.connection.execute("select 1")  # mistake: only a transaction has one


class Wrong(EventHandler, on_failure="ignore"):  # mistake: park or stop
    pass


class Names(Projection, name="names"):
    tables = "create table names (name text)"

    @handle
    async def opened(self, event: Opened, transaction: Transaction) -> None:
        del event
        await transaction.connection.exec("select 1")  # mistake: no such method

    @query  # mistake: a query is given a connection
    async def count(self, limit: int) -> int:
        return limit

    @query  # mistake: a query is async
    def first(self, connection: Connection) -> str:
        return str(connection)


Domain("names", handlers=[Opened])  # mistake: an event is no handler
