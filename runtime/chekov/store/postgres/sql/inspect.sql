-- name: position
select coalesce(max(position), 0) from chekov.events

-- Whether there is an event of these types after a position; one look into an index for each type.
-- name: waiting
select exists (
    select from unnest($2::text[]) as wanted (name)
    where exists (
        select from chekov.events
        where events.type = wanted.name and events.position > $1
    )
)

-- name: sizes
select
    coalesce(sum(greatest(reltuples, 0)) filter (where relname = 'streams'), 0)::bigint,
    coalesce(sum(pg_total_relation_size(oid)), 0)::bigint
from pg_class where relnamespace = $1::text::regnamespace and relkind = 'r'

-- name: connections
-- Servers have reserved_connections from version 16 on.
select
    (select coalesce(sum(numbackends), 0)::int from pg_stat_database),
    current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true), '0')::int
