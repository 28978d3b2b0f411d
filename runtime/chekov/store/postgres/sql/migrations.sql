-- Not by to_regclass, which may return what it did before another process created the table.
-- name: exists
select exists (
    select from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where nspname = $1 and relname = 'migrations'
)

-- name: schema_exists
select to_regnamespace(quote_ident($1)) is not null

-- name: create_schema
create schema chekov

-- name: create_table
create table if not exists chekov.migrations (
    version integer not null,
    name text not null,
    digest text not null,
    works_with integer not null,
    applied timestamptz not null default clock_timestamp(),
    constraint migrations_version primary key (version)
)

-- name: applied
select version, digest, works_with from chekov.migrations order by version

-- name: record
insert into chekov.migrations (version, name, digest, works_with) values ($1, $2, $3, $4)

-- A step may take long, but other statements must not queue while it waits for a table.
-- name: limits
set local statement_timeout = 0;
set local lock_timeout = '3s';
set local idle_in_transaction_session_timeout = 0

-- name: take_turn
select pg_try_advisory_xact_lock(hashtextextended($1, 2))

-- name: broken_indexes
select indexrelid::regclass::text
from pg_index join pg_class on pg_class.oid = indexrelid
where not indisvalid and relnamespace = $1::text::regnamespace
