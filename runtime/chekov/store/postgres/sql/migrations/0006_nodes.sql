-- works with: 1

-- The processes that run subscriptions. Each holds a session with a shared advisory lock on `lock`:
-- when the process is killed, Postgres ends the session, so that the missing lock shows its death.

create table chekov.nodes (
    id text not null,
    domain text not null,
    offers text[] not null,
    lock bigint not null,
    backend integer,
    server_started timestamptz,
    joined timestamptz not null default clock_timestamp(),
    heard timestamptz not null default clock_timestamp(),
    constraint nodes_id primary key (id)
) with (fillfactor = 50);
