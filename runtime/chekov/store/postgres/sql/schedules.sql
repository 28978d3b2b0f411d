-- fragment: columns
id, command, data, due, correlation_id, metadata, attempts, error, recurring, causation_id

-- fragment: recurring_columns
id, command, data, due, cron, timezone, missed, correlation_id, metadata, causation_id

-- fragment: uncancelled
not exists (
    select from chekov.cancelled_schedules as gone
    where (gone.domain, gone.id, gone.causation_id) = (new.domain, new.id, new.causation_id)
)

-- name: add
insert into chekov.scheduled_commands (
    domain, id, command, data, due, correlation_id, metadata, causation_id
)
select * from (
    values (
        $1::text, $2::uuid, $3::text, $4::bytea, $5::timestamptz, $6::uuid, $7::bytea, $8::uuid
    )
) as new (domain, id, command, data, due, correlation_id, metadata, causation_id)
where <uncancelled>
on conflict do nothing
returning id

-- name: take
with late as (
    select id as found, due as since from chekov.scheduled_commands
    where domain = $1 and error is null and due <= clock_timestamp()
    order by due limit $3
    for update skip locked
), taken as (
    update chekov.scheduled_commands
    set due = clock_timestamp() + make_interval(secs => $2), attempts = attempts + 1
    from late where domain = $1 and id = found
    returning <columns>, since
)
select <columns> from taken order by since, id

-- name: remove
delete from chekov.scheduled_commands where domain = $1 and id = $2 returning id

-- Whoever adds runs holds this row, so the statement after it sees them all.
-- name: lock_recurring
select from chekov.recurring_commands where domain = $1 and id = $2 for update

-- What is cancelled for the same cause is remembered for as long as its event may come again.
-- name: cancel
with runs as (
    delete from chekov.scheduled_commands where domain = $1 and recurring = $2
), scheduled as (
    delete from chekov.scheduled_commands where domain = $1 and id = $2
    returning id, causation_id
), repeated as (
    delete from chekov.recurring_commands where domain = $1 and id = $2
    returning id, causation_id
), gone as (
    select * from scheduled union all select * from repeated
), noted as (
    insert into chekov.cancelled_schedules (domain, id, causation_id)
    select $1, id, causation_id from gone where causation_id is not null
    on conflict do nothing
), forgotten as (
    delete from chekov.cancelled_schedules where (domain, id, causation_id) in (
        select domain, id, causation_id from chekov.cancelled_schedules
        where time < clock_timestamp() - interval '30 days' order by time limit 1000
    )
)
select id from gone

-- name: refused
select count(*) from chekov.scheduled_commands where domain = $1 and error is not null

-- name: refuse
with refused as (
    update chekov.scheduled_commands set error = $3 where domain = $1 and id = $2
    returning recurring
)
delete from chekov.scheduled_commands
where domain = $1 and id <> $2 and error is not null
    and recurring = (select recurring from refused)

-- name: next_due
select extract(epoch from due - clock_timestamp())::float8 from (
    (
        select due from chekov.scheduled_commands
        where domain = $1 and error is null order by due limit 1
    )
    union all
    (
        select due from chekov.recurring_commands as item
        where domain = $1 and (
            select count(*) from chekov.scheduled_commands as run
            where run.domain = item.domain and run.recurring = item.id and run.error is null
        ) < $2
        order by due limit 1
    )
) as next
order by due limit 1

-- name: list
select <columns> from chekov.scheduled_commands
where domain = $1 and ($2::timestamptz is null or (due, id) > ($2, $3::uuid))
order by due, id limit $4

-- name: add_recurring
select r_added, r_full
from chekov.add_recurring_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: due_recurring
select clock_timestamp(), waiting, <recurring_columns> from chekov.recurring_commands as item
cross join lateral (
    select count(*) from chekov.scheduled_commands as run
    where run.domain = item.domain and run.recurring = item.id and run.error is null
) as runs (waiting)
where domain = $1 and due <= clock_timestamp() and waiting < $2
order by due, id limit $3

-- name: schedule_runs
with moved as (
    update chekov.recurring_commands set due = $4 where domain = $1 and id = $2 and due = $3
    returning id, command, correlation_id, metadata, causation_id
), runs as (
    insert into chekov.scheduled_commands (
        domain, id, command, data, due, correlation_id, metadata, recurring, causation_id
    )
    select $1, run.id, moved.command, run.data, run.due, moved.correlation_id, moved.metadata,
        moved.id, moved.causation_id
    from moved, unnest($5::uuid[], $6::bytea[], $7::timestamptz[]) as run (id, data, due)
    on conflict do nothing
)
select id from moved

-- name: list_recurring
select <recurring_columns> from chekov.recurring_commands
where domain = $1 and ($2::timestamptz is null or (due, id) > ($2, $3::uuid))
order by due, id limit $4
