-- fragment: of_version
domain = $1 and name = $2 and version = $3

-- fragment: layout
domain, name, version, partitions, changes, former::text, keyed_by, until

-- name: divide
insert into chekov.partitions as row (domain, name, version, partitions, keyed_by)
values ($1, $2, $3, $4, $5)
on conflict (domain, name, version) do update set partitions = row.partitions
returning <layout>

-- name: layouts
select <layout>
from chekov.partitions where domain = $1 order by name, version

-- A row that is being changed, or belongs to somebody who works, is waited for by trying again.
-- name: lock_layout
select changes from chekov.partitions where <of_version> and changes = $4
for update skip locked

-- name: lock_partitions
select position, state = 'running' and (
    owner is null or lease_until < clock_timestamp() or owner = any($4::text[])
)
from chekov.subscriptions where <of_version> and generation = 1
order by partition
for update skip locked

-- name: change
update chekov.partitions
set partitions = $4, changes = changes + 1, former = $5::text::jsonb, keyed_by = $6, until = null
where <of_version>

-- name: bring_together
update chekov.partitions
set changes = changes + 1, until = (select coalesce(max(position), 0) from chekov.events)
where <of_version>

-- name: fence
update chekov.subscriptions
set epoch = epoch + 1, owner = null, lease_until = null, updated = clock_timestamp()
where <of_version> and generation = 1

-- name: begin
with before as (
    select min(position) as position, max(registered) as registered, max(epoch) + 1 as epoch,
        max(last_failed) as last_failed, max(parked_changes) + 1 as parked_changes
    from chekov.subscriptions where <of_version> and generation = 1
), gone as (
    delete from chekov.subscriptions where <of_version> and generation = 1 and partition >= $4
)
insert into chekov.subscriptions (
    domain, name, version, partition, generation, position, registered, epoch, last_failed,
    parked_changes
)
select $1, $2, $3, number, 1, position, registered, epoch, last_failed, parked_changes
from before, generate_series(0, $4 - 1) as number
on conflict (domain, name, version, partition, generation) do update
set position = excluded.position, registered = excluded.registered, epoch = excluded.epoch,
    last_failed = excluded.last_failed, parked_changes = excluded.parked_changes,
    owner = null, lease_until = null, updated = clock_timestamp()

-- name: parked_keys
select distinct key from chekov.parked where <of_version> and generation = 1

-- name: move_parked
update chekov.parked set partition = place
from unnest($4::text[], $5::integer[]) as moved (key, place)
where <of_version> and generation = 1 and parked.key = moved.key and partition <> place

-- name: parked_positions
select position from chekov.parked where <of_version> and generation = 1

-- name: rekey_parked
update chekov.parked set key = moved.key, partition = moved.place
from unnest($4::bigint[], $5::text[], $6::integer[]) as moved (position, key, place)
where <of_version> and generation = 1 and parked.position = moved.position

-- name: lock_rewound
select until is null from chekov.partitions where <of_version> for update

-- name: rewind
update chekov.subscriptions as row
set position = least(row.position, $4), registered = greatest(row.registered, before.position),
    replay = $5, epoch = row.epoch + 1, owner = null, lease_until = null,
    updated = clock_timestamp()
from (
    select max(position) as position from chekov.subscriptions
    where <of_version> and generation = 1
) as before
where <of_version> and generation = 1 and ($5 = '' or replay <> $5)
returning row.partition

-- name: begin_again
update chekov.partitions set changes = changes + 1, former = '[]' where <of_version>

-- name: forget_parked
delete from chekov.parked where <of_version> and generation = 1 and position > $4

-- name: announce
select pg_notify($1, '')
