-- Partitions that a layout no longer has do not come back, not even while it changes.
-- name: register
with layout as (
    select domain, name, version, partitions from chekov.partitions
    where (domain, name, version) in (
        select * from unnest($1::text[], $2::text[], $3::integer[])
    )
    for share
)
insert into chekov.subscriptions (
    domain, name, version, partition, generation, position, registered
)
select domain, name, version, partition, generation, $6,
    (select coalesce(max(position), 0) from chekov.events)
from unnest($1::text[], $2::text[], $3::integer[], $4::integer[], $5::integer[])
    as key (domain, name, version, partition, generation)
where not exists (
    select from layout
    where (layout.domain, layout.name, layout.version) = (key.domain, key.name, key.version)
        and layout.partitions <= key.partition
)
on conflict do nothing

-- name: claim
with free as (
    select domain, name, version, partition, generation
    from chekov.subscriptions
    join unnest($1::text[], $2::text[], $3::integer[], $4::integer[], $5::integer[])
        as key (domain, name, version, partition, generation)
        using (domain, name, version, partition, generation)
    where state = 'running'
        and (
            owner is null or owner = $6 or lease_until < clock_timestamp()
            or owner = any($8::text[])
        )
    for update of subscriptions skip locked
)
update chekov.subscriptions as row
set owner = $6,
    epoch = row.epoch + case when row.owner = $6 then 0 else 1 end,
    lease_until = clock_timestamp() + make_interval(secs => $7),
    updated = case when row.owner = $6 then row.updated else clock_timestamp() end
from free
where (row.domain, row.name, row.version, row.partition, row.generation)
    = (free.domain, free.name, free.version, free.partition, free.generation)
returning row.domain, row.name, row.version, row.partition, row.generation, row.epoch,
    row.position, row.registered, row.building, row.last_failed, row.parked_changes

-- Sessions of another role, which this one may not end, are left to their time-out. Applications have
-- advisory locks of their own: those that nobody shares are certainly not meant. The lock of a newer
-- claim than this statement sees is up to 2^15 epochs ahead of it, one of an older claim behind it.
-- name: end_stale
select pg_terminate_backend(held.pid)
from chekov.subscriptions as row
join unnest(
    $1::text[], $2::text[], $3::integer[], $4::integer[], $5::integer[], $6::bigint[]
) as key (domain, name, version, partition, generation, number)
    using (domain, name, version, partition, generation)
join pg_locks as held on held.locktype = 'advisory' and held.objsubid = 2
    and held.mode = 'ShareLock' and held.classid::bigint = key.number >> 16
    and held.objid::bigint >> 16 = key.number & 65535
    and held.database = (select oid from pg_database where datname = current_database())
join pg_stat_activity as activity on activity.pid = held.pid
cross join lateral (select (row.epoch - held.objid::bigint) & 65535 as epochs) as behind
where pg_has_role(activity.usesysid, 'usage')
    and (
        behind.epochs between 1 and 32767
        or behind.epochs = 0 and row.owner is not null
            and (row.lease_until < clock_timestamp() or row.owner = any($7::text[]))
    )

-- name: release
with given_up as (
    update chekov.subscriptions as row
    set owner = null, lease_until = null, updated = clock_timestamp()
    from unnest($1::text[], $2::text[], $3::integer[], $4::integer[], $5::integer[])
        as key (domain, name, version, partition, generation)
    where (row.domain, row.name, row.version, row.partition, row.generation)
        = (key.domain, key.name, key.version, key.partition, key.generation) and row.owner = $6
    returning 1
)
select pg_notify($7, '') from given_up limit 1

-- name: save
update chekov.subscriptions
set position = greatest(position, $8), updated = clock_timestamp()
where domain = $1 and name = $2 and version = $3 and partition = $4 and generation = $5
    and owner = $6 and epoch = $7
returning building

-- name: park
with row as (
    update chekov.subscriptions
    set position = greatest(position, $8),
        last_failed = greatest(last_failed, (select max(entry) from unnest($9::bigint[]) as entry)),
        updated = clock_timestamp()
    where domain = $1 and name = $2 and version = $3 and partition = $4 and generation = $5
        and owner = $6 and epoch = $7
    returning domain, name, version, partition, generation, building
), entry as (
    select row.domain, row.name, row.version, row.partition, row.generation, entry.* from row, unnest(
        $9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[], $14::integer[],
        $15::text[], $16::text[], $17::text[], $18::text[], $19::text[]
    ) as entry (
        position, key, stream, type, state, attempts, error, fingerprint, traceback, discarded, also
    )
), kept as (
    insert into chekov.parked (
        domain, name, version, partition, generation, position, key, stream, type, state, attempts,
        first_error, error, fingerprint, traceback, also
    )
    select domain, name, version, partition, generation, position, key, stream, type, state,
        attempts, error, error, fingerprint, traceback,
        array(select json_array_elements_text(also::json))
    from entry where discarded is null
    on conflict (domain, name, version, partition, generation, position)
        do update set attempts = excluded.attempts, error = excluded.error,
            fingerprint = excluded.fingerprint, traceback = excluded.traceback,
            state = excluded.state, time = excluded.time
        where excluded.state <> 'blocked'
), recorded as (
    insert into chekov.discarded (
        domain, name, version, partition, generation, position, key, stream, type, attempts, error,
        fingerprint, reason
    )
    select domain, name, version, partition, generation, position, key, stream, type, attempts,
    error,
        fingerprint, discarded
    from entry where discarded is not null
    on conflict do nothing
)
select building from row

-- fragment: of_claim
domain = $1 and name = $2 and version = $3 and partition = $4 and generation = $5

-- fragment: columns
domain, name, version, partition, generation, position, key, stream, type, state, attempts,
first_error, error, fingerprint, traceback, time, also

-- name: blocked
-- One look into the index for each key, however many events are parked.
with recursive head as (
    (
        select key, state, position from chekov.parked where <of_claim>
        order by key, position limit 1
    )
    union all
    select next.* from head cross join lateral (
        select key, state, position from chekov.parked where <of_claim> and key > head.key
        order by key, position limit 1
    ) as next
)
select distinct on (key) key, state <> 'failed' from (
    select key, state, position from head
    union all
    select further, state, position from chekov.parked cross join unnest(also) as further
    where <of_claim> and also <> '{}'
) as first
order by key, position

-- name: parked_in_order
select * from (
    (
        select <columns> from chekov.parked where <of_claim> and key = $6
        order by position limit $7
    )
    union all
    (
        select <columns> from chekov.parked where <of_claim> and also <> '{}' and $6 = any(also)
        order by position limit $7
    )
) as found
order by position limit $7

-- name: retried
select own from chekov.parked cross join unnest(array_prepend(key, also)) as own
where <of_claim> and retried > $6

-- name: unpark
with row as (
    select domain, name, version, partition, generation from chekov.subscriptions
    where domain = $1 and name = $2 and version = $3 and partition = $4 and generation = $5
        and owner = $6 and epoch = $7
    for no key update
)
delete from chekov.parked using row
where (parked.domain, parked.name, parked.version, parked.partition, parked.generation)
    = (row.domain, row.name, row.version, row.partition, row.generation) and parked.position = $8
returning parked.position

-- name: park_again
with row as (
    select domain, name, version, partition, generation from chekov.subscriptions
    where domain = $1 and name = $2 and version = $3 and partition = $4 and generation = $5
        and owner = $6 and epoch = $7
    for no key update
)
update chekov.parked
set state = 'failed', attempts = attempts + $9, error = $10, fingerprint = $11, traceback = $12,
    first_error = case when first_error = '' then $10 else first_error end
from row
where (parked.domain, parked.name, parked.version, parked.partition, parked.generation)
    = (row.domain, row.name, row.version, row.partition, row.generation) and parked.position = $8
returning parked.position

-- name: parked
select <columns>
from chekov.parked where domain = $1 and name = $2
    and ($3::text is null or key = $3 or $3 = any(also))
    and ($4::text is null or fingerprint = $4)
    and ($5::bigint is null or position = $5) and position > $6
order by position fetch first $7 rows with ties

-- name: parked_groups
select fingerprint, count(*), min(position), max(position),
    (array_agg(error order by position))[1], min(time)
from chekov.parked where domain = $1 and name = $2 and state = 'failed'
group by fingerprint order by count(*) desc, fingerprint

-- fragment: meant
state = any($8::text[]) and ($3::text is null or key = $3 or $3 = any(also))
and ($4::text is null or fingerprint = $4)
and ($5::bigint is null or position = $5) and position > $6
and ($10::text = '' or replay <> $10)

-- fragment: chosen
-- The subscription's row is locked first, as by its owner, so that they never wait for each other.
changed as (
    update chekov.subscriptions set parked_changes = parked_changes + 1
    where domain = $1 and name = $2 and exists (
        select from chekov.parked where domain = $1 and name = $2 and <meant>
    )
    returning domain, name, version, partition, generation, parked_changes
), chosen as (
    select domain, name, version, partition, generation, position, parked_changes
    from chekov.parked join changed using (domain, name, version, partition, generation)
    where <meant>
    order by position fetch first $7 rows with ties
)

-- name: retry_parked
with <chosen>, again as (
    update chekov.parked as row 
    set state = 'retrying', retried = chosen.parked_changes, replay = $10
    from chosen
    where (row.domain, row.name, row.version, row.partition, row.generation, row.position)
        = (
            chosen.domain, chosen.name, chosen.version, chosen.partition, chosen.generation,
            chosen.position
        )
        and row.state = any($8::text[])
    returning row.position
), notified as (select pg_notify($9, '') from (select from again limit 1) as any_row)
select position from again left join notified on true order by position

-- name: discard_parked
with <chosen>, removed as (
    delete from chekov.parked as row using chosen
    where (row.domain, row.name, row.version, row.partition, row.generation, row.position)
        = (
            chosen.domain, chosen.name, chosen.version, chosen.partition, chosen.generation,
            chosen.position
        )
        and row.state = any($8::text[])
    returning row.*
), recorded as (
    insert into chekov.discarded (
        domain, name, version, partition, generation, position, key, stream, type, attempts, error,
        fingerprint, reason
    )
    select domain, name, version, partition, generation, position, key, stream, type, attempts,
    error,
        fingerprint, $11
    from removed
    on conflict do nothing
), notified as (select pg_notify($9, '') from (select from removed limit 1) as any_row)
select position from removed left join notified on true order by position

-- name: still_parked
select state, count(*) from chekov.parked where domain = $1 and name = $2 and replay = $3
group by state

-- name: discarded
select domain, name, version, partition, generation, position, key, stream, type, attempts,
    error,
    fingerprint, reason, time
from chekov.discarded where domain = $1 and name = $2 and position > $3
order by position fetch first $4 rows with ties

-- fragment: same
(first.domain, first.name, first.version, first.partition, first.generation)
= (parked.domain, parked.name, parked.version, parked.partition, parked.generation)

-- fragment: instance
(item.domain, item.name, item.version, item.partition)
= (parked.domain, parked.name, parked.version, parked.partition)
and parked.name || '-' || item.instance = own and item.error is not null and item.retried is null

-- An event is handled again without anybody's doing if the first one of each of its keys is, and no
-- input of its instance waits for somebody.
-- name: failed
select domain, name, version, partition, generation, bool_or(final) from (
    select parked.domain, parked.name, parked.version, parked.partition, parked.generation,
        head.state = 'failed'
        or exists (select from chekov.outbox as item where <instance>)
        or exists (select from chekov.timers as item where <instance>) as final
    from chekov.parked cross join unnest(array_prepend(parked.key, parked.also)) as own
    cross join lateral (
        select state from (
            (
                select state, position from chekov.parked as first where <same> and key = own
                order by position limit 1
            )
            union all
            (
                select state, position from chekov.parked as first
                where <same> and also <> '{}' and own = any(also)
                order by position limit 1
            )
        ) as heads
        order by position limit 1
    ) as head
    where parked.domain = $1 and parked.position between $2 and $3
    union all
    select domain, name, version, partition, generation, true from chekov.discarded
    where domain = $1 and position between $2 and $3
) as found
group by domain, name, version, partition, generation

-- name: stop
with stopped as (
    update chekov.subscriptions
    set state = 'stopped', error = $8, owner = null, lease_until = null,
        updated = clock_timestamp()
    where domain = $1 and name = $2 and version = $3 and partition = $4 and generation = $5
        and owner = $6 and epoch = $7
    returning 1
)
select pg_notify($9, '') from stopped

-- name: resume
with resumed as (
    update chekov.subscriptions
    set state = 'running', error = null, paused_by = '', updated = clock_timestamp()
    where domain = $1 and name = $2 and state <> 'running'
    returning 1
)
select pg_notify($3, '') from resumed limit 1

-- name: pause
with paused as (
    update chekov.subscriptions
    set state = 'paused', paused_by = $4, owner = null, lease_until = null,
        updated = clock_timestamp()
    where domain = $1 and name = $2 and (state, paused_by) <> ('paused', $4)
    returning 1
)
select pg_notify($3, '') from paused limit 1

-- name: remove
with locked as (
    select owner is not null and lease_until > clock_timestamp() as is_owned
    from chekov.subscriptions where domain = $1 and name = $2 and version = $3
    for update
), free as (
    select from locked having not coalesce(bool_or(is_owned), false)
), without_subscriptions as (
    delete from chekov.subscriptions where domain = $1 and name = $2 and version = $3
        and exists (select from free)
),
without_partitions as (
    delete from chekov.partitions where domain = $1 and name = $2 and version = $3
        and exists (select from free)
),
without_parked as (
    delete from chekov.parked where domain = $1 and name = $2 and version = $3
        and exists (select from free)
),
without_process_instances as (
    delete from chekov.process_instances where domain = $1 and name = $2 and version = $3
        and exists (select from free)
),
without_outbox as (
    delete from chekov.outbox where domain = $1 and name = $2 and version = $3
        and exists (select from free)
),
without_timers as (
    delete from chekov.timers where domain = $1 and name = $2 and version = $3
        and exists (select from free)
)
select exists (select from free)

-- fragment: parked_of_row
(parked.domain, parked.name, parked.version, parked.partition, parked.generation)
= (row.domain, row.name, row.version, row.partition, row.generation)

-- name: subscriptions
select domain, name, version, partition, generation, position, owner, epoch, state, error,
    parked.events, updated, building, parked.keys + further.keys, last_failed,
    coalesce(keyed_by, 'stream'), registered, paused_by, replay
from chekov.subscriptions as row
left join chekov.partitions using (domain, name, version)
cross join lateral (
    select count(*) as events, count(distinct key) as keys from chekov.parked
    where <parked_of_row>
) as parked
cross join lateral (
    select count(distinct own) as keys from chekov.parked cross join unnest(also) as own
    where <parked_of_row> and also <> '{}' and not exists (
        select from chekov.parked where <parked_of_row> and key = own
    )
) as further
where domain = coalesce($1, domain)
order by domain, name, version, partition, generation
