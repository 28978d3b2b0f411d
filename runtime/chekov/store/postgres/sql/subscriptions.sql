-- name: register
insert into chekov.subscriptions (
    domain, name, version, partition, generation, position, registered
)
select domain, name, version, partition, generation, $6,
    (select coalesce(max(position), 0) from chekov.events)
from unnest($1::text[], $2::text[], $3::integer[], $4::integer[], $5::integer[])
    as key (domain, name, version, partition, generation)
on conflict do nothing

-- name: claim
with free as (
    select domain, name, version, partition, generation
    from chekov.subscriptions
    join unnest($1::text[], $2::text[], $3::integer[], $4::integer[], $5::integer[])
        as key (domain, name, version, partition, generation)
        using (domain, name, version, partition, generation)
    where state = 'running'
        and (owner is null or owner = $6 or lease_until < clock_timestamp())
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
    row.position, row.registered, row.building

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
returning position

-- name: park
with row as (
    update chekov.subscriptions
    set position = greatest(position, $8), updated = clock_timestamp()
    where domain = $1 and name = $2 and version = $3 and partition = $4 and generation = $5
        and owner = $6 and epoch = $7
    returning domain, name, version, partition, generation
)
insert into chekov.parked (
    domain, name, version, partition, generation, position, stream, type, attempts, error
)
select domain, name, version, partition, generation, $8, $9, $10, $11, $12 from row
on conflict (domain, name, version, partition, generation, position)
    do update set attempts = excluded.attempts, error = excluded.error, time = excluded.time
returning position

-- name: parked
select domain, name, version, partition, generation, position, stream, type, attempts, error, time
from chekov.parked where domain = $1 and name = $2
order by position, version, partition, generation limit $3

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
select domain, name, version, partition, generation, position, owner, epoch, state, error,
    (
        select count(*) from chekov.parked
        where (
            parked.domain, parked.name, parked.version, parked.partition, parked.generation
        ) = (row.domain, row.name, row.version, row.partition, row.generation)
    ),
    updated, building
from chekov.subscriptions as row where domain = coalesce($1, domain)
order by domain, name, version, partition, generation
