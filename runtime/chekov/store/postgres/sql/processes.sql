-- fragment: of_key
domain = $1 and name = $2 and version = $3 and partition = $4

-- fragment: queued
number, instance, begun_by, id, command, data, correlation_id, causation_id, metadata, time,
    refusal, error, retried is not null

-- fragment: timer
instance, timer, id, due, command, data, begun_by, correlation_id, causation_id, metadata, error,
    retried is not null

-- fragment: withheld
select instance from chekov.outbox where <of_key> and error is not null
union
select instance from chekov.timers where <of_key> and error is not null

-- fragment: parked_of
parked.domain = $1 and parked.name = $2 and parked.version = $3 and parked.partition = $4
and parked.generation = 1

-- An instance with a parked event, or with an input that was set aside, has no other inputs until
-- that is handled.
-- fragment: in_turn
error is null and not exists (
    select from chekov.parked where <parked_of> and parked.key = $2 || '-' || instance
) and not exists (
    select from chekov.parked
    where <parked_of> and parked.also <> '{}' and $2 || '-' || instance = any(parked.also)
) and instance not in (<withheld>)

-- Each by the index: while it has no statistics, Postgres would compare all instances with all names.
-- name: load
select found.* from unnest($5::text[]) as wanted (place) cross join lateral (
    select instance, begun_by, begun, data from chekov.process_instances
    where <of_key> and instance = wanted.place limit 1
) as found

-- name: finish
with gone as (
    delete from chekov.process_instances where <of_key> and instance = any($5)
)
delete from chekov.timers where <of_key> and instance = any($5)

-- name: remove
delete from chekov.timers using unnest($5::text[], $6::text[]) as gone (place, label)
where <of_key> and instance = place and timer = label

-- name: answer
delete from chekov.outbox where <of_key> and number = any($5)

-- name: keep_states
insert into chekov.process_instances (
    domain, name, version, partition, instance, begun_by, begun, data
)
select $1, $2, $3, $4, state.*
from unnest($5::text[], $6::uuid[], $7::timestamptz[], $8::bytea[]) as state
on conflict (domain, name, version, partition, instance) do update
set begun_by = excluded.begun_by, begun = excluded.begun, data = excluded.data,
    updated = clock_timestamp()

-- name: keep_timers
insert into chekov.timers (
    domain, name, version, partition, instance, timer, id, due, command, data, begun_by,
    correlation_id, causation_id, metadata
)
select $1, $2, $3, $4, timer.*
from unnest(
    $5::text[], $6::text[], $7::uuid[], $8::timestamptz[], $9::text[], $10::bytea[], $11::uuid[],
    $12::uuid[], $13::uuid[], $14::bytea[]
) as timer
on conflict (domain, name, version, partition, instance, timer) do update
set id = excluded.id, due = excluded.due, command = excluded.command, data = excluded.data,
    begun_by = excluded.begun_by, correlation_id = excluded.correlation_id,
    causation_id = excluded.causation_id, metadata = excluded.metadata, error = null,
    retried = null

-- name: put
insert into chekov.outbox (
    domain, name, version, partition, instance, begun_by, id, command, data, correlation_id,
    causation_id, metadata
)
select $1, $2, $3, $4, instance, begun_by, id, command, data, correlation_id, causation_id, metadata
from unnest(
    $5::text[], $6::uuid[], $7::uuid[], $8::text[], $9::bytea[], $10::uuid[], $11::uuid[],
    $12::bytea[]
) with ordinality as sent (
    instance, begun_by, id, command, data, correlation_id, causation_id, metadata, n
)
order by n
returning number

-- Last, so that the row is locked for a moment only and a stale owner is still refused.
-- name: advance
update chekov.subscriptions
set position = greatest(position, $8), updated = clock_timestamp()
where domain = $1 and name = $2 and version = $3 and partition = $4
    and generation = $5 and owner = $6 and epoch = $7
returning position

-- name: pending
select <queued> from chekov.outbox
where <of_key> and number > $5 and refusal is null
order by number limit $6

-- The row of the owner is locked against claims until this is stored.
-- fragment: owned
owned as materialized (
    select from chekov.subscriptions
    where domain = $1 and name = $2 and version = $3 and partition = $4
        and generation = $5 and owner = $6 and epoch = $7
    for share
)

-- name: settle_sent
with <owned>,
sent as (
    delete from chekov.outbox
    where <of_key> and number = any($8) and refusal is null and exists (select from owned)
)
select 1 from owned

-- Takes turns with appends, so only where something was refused.
-- name: settle
select 1 where chekov.settle_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- name: set_aside_refusal
with <owned>,
changed as (
    update chekov.outbox set error = $9, retried = null
    where <of_key> and number = $8 and exists (select from owned)
)
select 1 from owned

-- name: set_aside_timer
with <owned>,
changed as (
    update chekov.timers set error = $10, retried = null
    where <of_key> and instance = $8 and timer = $9 and exists (select from owned)
)
select 1 from owned

-- name: skip_refusal
with <owned>,
gone as (
    delete from chekov.outbox where <of_key> and number = $8 and exists (select from owned)
    returning domain, name, version, partition, instance, command, id
), recorded as (
    insert into chekov.discarded_inputs (
        domain, name, version, partition, instance, input, id, error, reason
    )
    select gone.*, $9, $10 from gone
)
select 1 from owned

-- name: skip_timer
with <owned>,
gone as (
    delete from chekov.timers
    where <of_key> and instance = $8 and timer = $9 and exists (select from owned)
    returning domain, name, version, partition, instance, coalesce(command, timer), id
), recorded as (
    insert into chekov.discarded_inputs (
        domain, name, version, partition, instance, input, id, error, reason
    )
    select gone.*, $10, $11 from gone
)
select 1 from owned

-- name: withheld
<withheld>

-- fragment: failed
error is not null and retried is null and instance = coalesce($3, instance)

-- The subscription's row is locked first, as by its owner, so that they never wait for each other.
-- fragment: changed
changed as (
    update chekov.subscriptions as row set parked_changes = parked_changes + 1
    where domain = $1 and name = $2 and (
        exists (
            select from chekov.outbox as item
            where (item.domain, item.name, item.version, item.partition)
                = (row.domain, row.name, row.version, row.partition) and <failed>
        )
        or exists (
            select from chekov.timers as item
            where (item.domain, item.name, item.version, item.partition)
                = (row.domain, row.name, row.version, row.partition) and <failed>
        )
    )
    returning domain, name, version, partition, pg_notify($4, '')
)

-- name: release
with <changed>, refusals as (
    update chekov.outbox as item set retried = clock_timestamp() from changed
    where (item.domain, item.name, item.version, item.partition)
        = (changed.domain, changed.name, changed.version, changed.partition)
        and <failed>
    returning 1
), timers as (
    update chekov.timers as item set retried = clock_timestamp() from changed
    where (item.domain, item.name, item.version, item.partition)
        = (changed.domain, changed.name, changed.version, changed.partition)
        and <failed>
    returning 1
)
select (select count(*) from refusals) + (select count(*) from timers)

-- name: discard
with <changed>, refusals as (
    delete from chekov.outbox as item using changed
    where (item.domain, item.name, item.version, item.partition)
        = (changed.domain, changed.name, changed.version, changed.partition)
        and <failed>
    returning item.domain, item.name, item.version, item.partition, instance, command, id, error
), timers as (
    delete from chekov.timers as item using changed
    where (item.domain, item.name, item.version, item.partition)
        = (changed.domain, changed.name, changed.version, changed.partition)
        and <failed>
    returning item.domain, item.name, item.version, item.partition, instance,
        coalesce(command, timer), id, error
), recorded as (
    insert into chekov.discarded_inputs (
        domain, name, version, partition, instance, input, id, error, reason
    )
    select gone.*, $5 from (select * from refusals union all select * from timers) as gone
    returning 1
)
select count(*) from recorded

-- name: discarded
select number, domain, name, version, partition, instance, input, id, error, reason, time
from chekov.discarded_inputs where domain = $1 and name = $2 and number > $3
order by number limit $4

-- What somebody lets be handled again comes before all else of its instance.
-- name: refusals
select distinct on (instance) <queued> from (
    (
        select * from chekov.outbox
        where <of_key> and error is not null and retried is not null order by number limit $5
    )
    union all
    (
        select * from chekov.outbox where <of_key> and refusal is not null and <in_turn>
        order by number limit $5
    )
) as refused
order by instance, number

-- name: due_timers
select distinct on (instance) <timer> from (
    (
        select * from chekov.timers
        where <of_key> and error is not null and retried is not null order by due limit $5
    )
    union all
    (
        select * from chekov.timers where <of_key> and due <= clock_timestamp() and <in_turn>
        order by due limit $5
    )
) as due
order by instance, due

-- name: next_due
select extract(epoch from due - clock_timestamp())::float8 from (
    (
        select due from chekov.timers
        where <of_key> and error is not null and retried is not null order by due limit 1
    )
    union all
    (select due from chekov.timers where <of_key> and <in_turn> order by due limit 1)
) as next
order by due limit 1

-- name: instances
select domain, name, version, partition, instance, begun_by, begun, data
from chekov.process_instances
where domain = $1 and name = coalesce($2, name) and instance > $3
order by instance, name, version, partition limit $4

-- name: commands_of
select <queued> from chekov.outbox where <of_key> and instance = any($5) order by number

-- name: timers_of
select <timer> from chekov.timers where <of_key> and instance = any($5) order by due

-- name: chained
select correlation_id, name, bool_or(error is not null and retried is null) from chekov.outbox
where domain = $1 and correlation_id = any($2::uuid[])
group by correlation_id, name

-- name: figures
with instances as (
    select domain, name, version, partition, count(*) as number
    from chekov.process_instances where domain = $1 group by 1, 2, 3, 4
), commands as (
    select domain, name, version, partition, count(*) as number, min(time) as first
    from chekov.outbox where domain = $1 group by 1, 2, 3, 4
), due as (
    select domain, name, version, partition, min(due) as first
    from chekov.timers where domain = $1 group by 1, 2, 3, 4
)
select domain, name, version, partition,
    coalesce(instances.number, 0), coalesce(commands.number, 0),
    greatest(coalesce(extract(epoch from clock_timestamp() - commands.first), 0), 0)::float8,
    greatest(coalesce(extract(epoch from clock_timestamp() - due.first), 0), 0)::float8
from instances
full join commands using (domain, name, version, partition)
full join due using (domain, name, version, partition)
order by 1, 2, 3, 4
