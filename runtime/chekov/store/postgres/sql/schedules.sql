-- fragment: columns
id, command, data, due, correlation_id, metadata, attempts, error

-- name: add
insert into chekov.scheduled_commands (
    domain, id, command, data, due, correlation_id, metadata
)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing
returning id

-- name: take
with due as (
    select id from chekov.scheduled_commands
    where domain = $1 and error is null and due <= clock_timestamp()
    order by due limit $3
    for update skip locked
), taken as (
    update chekov.scheduled_commands
    set due = clock_timestamp() + make_interval(secs => $2), attempts = attempts + 1
    where domain = $1 and id in (select id from due)
    returning <columns>
)
select * from taken order by due, id

-- name: remove
delete from chekov.scheduled_commands where domain = $1 and id = $2 returning id

-- name: refuse
update chekov.scheduled_commands set error = $3 where domain = $1 and id = $2

-- name: next_due
select extract(epoch from due - clock_timestamp())::float8 from chekov.scheduled_commands
where domain = $1 and error is null order by due limit 1

-- name: list
select <columns> from chekov.scheduled_commands
where domain = $1 and ($2::timestamptz is null or due > $2)
order by due, id limit $3
