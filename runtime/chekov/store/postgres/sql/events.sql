-- name: append_next
insert into chekov.events
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- name: append_one
select r_position, r_version, r_time
from chekov.append_one_v1($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: append_many
select r_before, r_time, r_versions
from chekov.append_many_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: stored
select position, stream, version, time from chekov.events where id = $1

-- name: stream_forward
select position, stream, version, id, type, json_send(data), json_send(metadata),
    correlation_id, causation_id, timestamptz_send(time)
from chekov.events where stream = $1 and version > $2 order by version limit $3

-- name: stream_backward
select position, stream, version, id, type, json_send(data), json_send(metadata),
    correlation_id, causation_id, timestamptz_send(time)
from chekov.events where stream = $1 and version < $2 order by version desc limit $3

-- name: all_forward
select position, stream, version, id, type, json_send(data), json_send(metadata),
    correlation_id, causation_id, timestamptz_send(time)
from chekov.events where position > $1 order by position limit $2

-- name: all_backward
select position, stream, version, id, type, json_send(data), json_send(metadata),
    correlation_id, causation_id, timestamptz_send(time)
from chekov.events where position < $1 order by position desc limit $2

-- name: some_forward
select position, stream, version, id, type, json_send(data), json_send(metadata),
    correlation_id, causation_id, timestamptz_send(time)
from chekov.events
where position > $1 and ($3::text[] is null or type = any($3))
    and ($4::text is null or starts_with(stream, $4 || '-'))
order by position limit $2

-- name: some_backward
select position, stream, version, id, type, json_send(data), json_send(metadata),
    correlation_id, causation_id, timestamptz_send(time)
from chekov.events
where position < $1 and ($3::text[] is null or type = any($3))
    and ($4::text is null or starts_with(stream, $4 || '-'))
order by position desc limit $2

-- name: head
select coalesce(max(position), 0) from chekov.events

-- name: stream_info
select name, coalesce((select max(version) from chekov.events where stream = name), 0), created
from chekov.streams where name = $1

-- name: look
select coalesce(max(position), 0), (
    select count(*) from pg_stat_activity
    where application_name = $1 and datname = current_database() and pid <> pg_backend_pid()
)
from chekov.events

-- name: notify
select pg_notify($1, $2)
