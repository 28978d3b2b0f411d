-- fragment: columns
id, command, data, due, correlation_id, metadata, attempts, error, recurring

-- fragment: recurring_columns
id, command, data, due, cron, timezone, missed, correlation_id, metadata

-- name: add
insert into chekov.scheduled_commands (
    domain, id, command, data, due, correlation_id, metadata
)
values ($1, $2, $3, $4, $5, $6, $7)
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
    (select due from chekov.recurring_commands where domain = $1 order by due limit 1)
) as next
order by due limit 1

-- name: list
select <columns> from chekov.scheduled_commands
where domain = $1 and ($2::timestamptz is null or (due, id) > ($2, $3::uuid))
order by due, id limit $4

-- name: add_recurring
insert into chekov.recurring_commands (
    domain, id, command, data, due, cron, timezone, missed, correlation_id, metadata
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict do nothing
returning id

-- name: due_recurring
select clock_timestamp(), <recurring_columns> from chekov.recurring_commands
where domain = $1 and due <= clock_timestamp()
order by due, id limit $2

-- name: schedule_runs
with moved as (
    update chekov.recurring_commands set due = $4 where domain = $1 and id = $2 and due = $3
    returning id, command, correlation_id, metadata
), runs as (
    insert into chekov.scheduled_commands (
        domain, id, command, data, due, correlation_id, metadata, recurring
    )
    select $1, run.id, moved.command, run.data, run.due, moved.correlation_id, moved.metadata,
        moved.id
    from moved, unnest($5::uuid[], $6::bytea[], $7::timestamptz[]) as run (id, data, due)
    on conflict do nothing
)
select id from moved

-- name: remove_recurring
with runs as (
    delete from chekov.scheduled_commands where domain = $1 and recurring = $2
)
delete from chekov.recurring_commands where domain = $1 and id = $2 returning id

-- name: list_recurring
select <recurring_columns> from chekov.recurring_commands
where domain = $1 and ($2::timestamptz is null or (due, id) > ($2, $3::uuid))
order by due, id limit $4
