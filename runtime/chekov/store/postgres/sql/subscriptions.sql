-- name: register
insert into chekov.subscriptions (domain, name, version, partition, position, registered)
select domain, name, version, partition, $5,
    (select coalesce(max(position), 0) from chekov.events)
from unnest($1::text[], $2::text[], $3::integer[], $4::integer[])
    as key (domain, name, version, partition)
on conflict do nothing

-- name: claim
with free as (
    select domain, name, version, partition
    from chekov.subscriptions join unnest($1::text[], $2::text[], $3::integer[], $4::integer[])
        as key (domain, name, version, partition) using (domain, name, version, partition)
    where state = 'running'
        and (owner is null or owner = $5 or lease_until < clock_timestamp())
    for update of subscriptions skip locked
)
update chekov.subscriptions as row
set owner = $5,
    epoch = row.epoch + case when row.owner = $5 then 0 else 1 end,
    lease_until = clock_timestamp() + make_interval(secs => $6),
    updated = case when row.owner = $5 then row.updated else clock_timestamp() end
from free
where (row.domain, row.name, row.version, row.partition)
    = (free.domain, free.name, free.version, free.partition)
returning row.domain, row.name, row.version, row.partition, row.epoch, row.position,
    row.registered

-- name: release
with given_up as (
    update chekov.subscriptions as row
    set owner = null, lease_until = null, updated = clock_timestamp()
    from unnest($1::text[], $2::text[], $3::integer[], $4::integer[])
        as key (domain, name, version, partition)
    where (row.domain, row.name, row.version, row.partition)
        = (key.domain, key.name, key.version, key.partition) and row.owner = $5
    returning 1
)
select pg_notify($6, '') from given_up limit 1

-- name: save
update chekov.subscriptions
set position = greatest(position, $7), updated = clock_timestamp()
where domain = $1 and name = $2 and version = $3 and partition = $4 and owner = $5 and epoch = $6
returning position

-- name: park
with row as (
    update chekov.subscriptions
    set position = greatest(position, $7), updated = clock_timestamp()
    where domain = $1 and name = $2 and version = $3 and partition = $4
        and owner = $5 and epoch = $6
    returning domain, name, version, partition
)
insert into chekov.parked (
    domain, name, version, partition, position, stream, type, attempts, error
)
select domain, name, version, partition, $7, $8, $9, $10, $11 from row
on conflict (domain, name, version, partition, position)
    do update set attempts = excluded.attempts, error = excluded.error, time = excluded.time
returning position

-- name: parked
select domain, name, version, partition, position, stream, type, attempts, error, time
from chekov.parked where domain = $1 and name = $2
order by position, version, partition limit $3

-- name: stop
with stopped as (
    update chekov.subscriptions
    set state = 'stopped', error = $7, owner = null, lease_until = null,
        updated = clock_timestamp()
    where domain = $1 and name = $2 and version = $3 and partition = $4
        and owner = $5 and epoch = $6
    returning 1
)
select pg_notify($8, '') from stopped

-- name: resume
with resumed as (
    update chekov.subscriptions set state = 'running', error = null, updated = clock_timestamp()
    where domain = $1 and name = $2 and state <> 'running'
    returning 1
)
select pg_notify($3, '') from resumed limit 1

-- name: pause
with paused as (
    update chekov.subscriptions
    set state = 'paused', owner = null, lease_until = null, updated = clock_timestamp()
    where domain = $1 and name = $2 and state <> 'paused'
    returning 1
)
select pg_notify($3, '') from paused limit 1

-- name: subscriptions
select domain, name, version, partition, position, owner, epoch, state, error,
    (
        select count(*) from chekov.parked
        where (parked.domain, parked.name, parked.version, parked.partition)
            = (row.domain, row.name, row.version, row.partition)
    ),
    updated
from chekov.subscriptions as row where domain = coalesce($1, domain)
order by domain, name, version, partition
