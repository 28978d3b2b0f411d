-- name: hold
select pg_advisory_lock_shared(hashtextextended('chekov ' || $1, 3))

-- Rows of processes that were killed, or were stopped for so long that they join again, are removed.
-- name: join
with gone as (
    delete from chekov.nodes
    where heard < clock_timestamp() - interval '1 minute' - make_interval(secs => $5) and id <> $1
), joined as (
    insert into chekov.nodes as row (id, domain, offers, lock, backend, server_started)
    values (
        $1, $2, $3, hashtextextended('chekov ' || $1, 3),
        case when $4 then pg_backend_pid() end, case when $4 then pg_postmaster_start_time() end
    )
    on conflict (id) do update
        set backend = excluded.backend, server_started = excluded.server_started,
            heard = excluded.heard
    returning 1
)
select pg_notify($6, '') from joined

-- name: beat
update chekov.nodes set heard = clock_timestamp() where id = $1 returning 1

-- name: leave
with gone as (delete from chekov.nodes where id = $1 returning 1)
select pg_notify($2, '') from gone

-- name: nodes
with held as materialized (
    select pid, (classid::bigint << 32) | objid::bigint as lock
    from pg_locks
    where locktype = 'advisory' and objsubid = 1 and granted
        and database = (select oid from pg_database where datname = current_database())
)
select id, offers, backend, server_started,
    heard > clock_timestamp() - make_interval(secs => $2),
    coalesce(
        server_started = pg_postmaster_start_time()
            and not exists (select from held where held.pid = backend and held.lock = row.lock),
        false
    ),
    domain
from chekov.nodes as row where domain = $1 or $1::text is null
order by joined, id
