-- A line holds a JSON document as such, unless a strict reader would refuse it: with line breaks, other
-- than an object, with lone surrogates, or deeply nested. Then the line holds it as text.

-- fragment: data
case
    when content is not null
        then ',"content":"' || translate(encode(content, 'base64'), E'\n', '') || '"'
    when strpos(data::text, E'\n') = 0 and strpos(data::text, E'\r') = 0
        and left(data::text, 1) = '{' and right(data::text, 1) = '}'
        and strpos(data::text, '\ud') = 0 and strpos(data::text, '\uD') = 0
        and (
            length(data::text) < 400
            or length(data::text) - length(translate(data::text, '{[', '')) < 200
        )
        then ',"data":' || data::text
    else ',"data_text":' || to_json(data::text)::text
end

-- fragment: metadata
case
    when metadata is null then ',"metadata":null'
    when strpos(metadata::text, E'\n') = 0 and strpos(metadata::text, E'\r') = 0
        and left(metadata::text, 1) = '{' and right(metadata::text, 1) = '}'
        and strpos(metadata::text, '\ud') = 0 and strpos(metadata::text, '\uD') = 0
        and (
            length(metadata::text) < 400
            or length(metadata::text) - length(translate(metadata::text, '{[', '')) < 200
        )
        then ',"metadata":' || metadata::text
    else ',"metadata_text":' || to_json(metadata::text)::text
end

-- fragment: iso
'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'

-- name: limits
set local statement_timeout = 0;
set local idle_in_transaction_session_timeout = 0;
set local enable_seqscan = off;
set local enable_sort = off;
set local jit = off

-- name: contents
select coalesce(max(position), 0), (select count(*) from chekov.streams),
    (select id from chekov.events where position = $1)
from chekov.events

-- fragment: of_people
-- Not the key that proves a store's master key.
where subject <> '$proof'

-- name: count_keys
select count(*) from chekov.keys <of_people>

-- name: event_lines
select '{"position":' || position || ',"stream":' || to_json(stream)::text || ',"version":'
    || version || ',"id":"' || id || '","type":' || to_json(type)::text || ',"time":"'
    || to_char(time at time zone 'UTC', <iso>) || '","correlation_id":'
    || coalesce('"' || correlation_id || '"', 'null') || ',"causation_id":'
    || coalesce('"' || causation_id || '"', 'null') || <metadata> || <data> || coalesce(',"tags":' || (
        select json_object_agg(tag, key order by tag)::text
        from chekov.tags where tags.position = events.position
    ), '') || '}'
from chekov.events where position > :after order by position

-- name: stream_lines
select '{"name":' || to_json(name)::text || ',"created":"'
    || to_char(created at time zone 'UTC', <iso>) || '","first":' || first || ',"deleted":'
    || coalesce('"' || to_char(deleted at time zone 'UTC', <iso>) || '"', 'null') || '}'
from chekov.streams order by name

-- name: key_lines
select '{"key":"' || id || '","subject":' || to_json(subject)::text || ',"secret":'
    || coalesce('"' || translate(encode(key, 'base64'), E'\n', '') || '"', 'null')
    || ',"created":"' || to_char(created at time zone 'UTC', <iso>) || '","forgotten":'
    || coalesce('"' || to_char(forgotten at time zone 'UTC', <iso>) || '"', 'null') || '}'
from chekov.keys <of_people> order by id

-- What is under way moves as whole rows, by table. Those of projections do not: their tables stay.
-- fragment: elsewhere
where (domain, name, version) not in (select domain, name, version from chekov.generations)

-- fragment: work
select 'partitions' as place, to_jsonb(item) as line from chekov.partitions as item <elsewhere>
union all
select 'subscriptions', to_jsonb(item) - '{owner,lease_until}'::text[]
from chekov.subscriptions as item <elsewhere>
union all
select 'parked', to_jsonb(item) from chekov.parked as item <elsewhere>
union all
select 'discarded', to_jsonb(item) from chekov.discarded as item <elsewhere>
union all
select 'process_instances', to_jsonb(item) from chekov.process_instances as item
union all
select 'outbox', to_jsonb(item) from chekov.outbox as item
union all
select 'timers', to_jsonb(item) from chekov.timers as item
union all
select 'scheduled_commands', to_jsonb(item) from chekov.scheduled_commands as item
union all
select 'recurring_commands', to_jsonb(item) from chekov.recurring_commands as item
union all
select 'cancelled_schedules', to_jsonb(item) from chekov.cancelled_schedules as item
union all
select 'refused_commands', to_jsonb(item) from chekov.refused_commands as item
union all
select 'discarded_inputs', to_jsonb(item) from chekov.discarded_inputs as item

-- name: count_work
select count(*) from (<work>) as work

-- name: count_open
select (select count(*) from chekov.process_instances), (select count(*) from chekov.outbox),
    (select count(*) from chekov.timers),
    (select count(*) from chekov.scheduled_commands)
        + (select count(*) from chekov.recurring_commands)

-- name: work_is_sealed
select exists (select from chekov.keys where starts_with(subject, '$') and subject not in ('$proof', '$tags'))

-- name: work_lines
select json_build_object('table', place, 'row', line)::text from (<work>) as work

-- name: owners
select name from chekov.subscriptions
<elsewhere> and owner is not null and lease_until > clock_timestamp() order by name

-- name: clear_divided
delete from chekov.:table <elsewhere>

-- name: clear_whole
delete from chekov.:table

-- name: columns
select attname::text as name, quote_ident(attname) as quoted from pg_attribute
where attrelid = 'chekov.:table'::regclass and attnum > 0 and not attisdropped

-- name: add_work
insert into chekov.:table (:columns) overriding system value
select :columns from jsonb_populate_recordset(null::chekov.:table, $1::text::jsonb)

-- name: number_rows
select setval(
    pg_get_serial_sequence('chekov.:table', 'number'),
    greatest((select max(number) from chekov.:table), nextval(
        pg_get_serial_sequence('chekov.:table', 'number')
    ))
)

-- name: append_lock
select pg_advisory_xact_lock(hashtextextended('chekov', 0))

-- name: head
select coalesce(max(position), 0) from chekov.events

-- name: id_at
select id from chekov.events where position = $1

-- name: stored
select position, stream, version, id, type, coalesce(json_send(data), content),
    json_send(metadata), correlation_id, causation_id, timestamptz_send(time)
from chekov.events where position > $1 and position <= $2 order by position

-- name: add_streams
insert into chekov.streams (name, created, deleted)
select stream, min(time), max(time) filter (where type = '$deleted')
from chekov.events where position > $1 and position <= $2 and stream <> '$erased'
group by stream
on conflict (name) do update set deleted = excluded.deleted where excluded.deleted is not null

-- name: set_streams
insert into chekov.streams (name, created, first, deleted)
select * from unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::timestamptz[])
on conflict (name) do update
set created = excluded.created, first = excluded.first, deleted = excluded.deleted
where (streams.created, streams.first, streams.deleted)
    is distinct from (excluded.created, excluded.first, excluded.deleted)

-- Events that are imported may still have the tags of who was forgotten here.
-- name: untag_forgotten
delete from chekov.tags using chekov.keys
where tags.position > $1 and tags.position <= $2 and keys.id = tags.key
    and keys.forgotten is not null

-- They may lack tags that this domain decides by: which have them is found out anew.
-- name: forget_tag_kinds
delete from chekov.tag_kinds

-- name: add_keys
with untagged as (
    delete from chekov.tags using unnest($1::uuid[], $5::timestamptz[]) as line (id, forgotten)
    where tags.key = line.id and line.forgotten is not null
)
insert into chekov.keys (id, subject, key, created, forgotten)
select * from unnest($1::uuid[], $2::text[], $3::bytea[], $4::timestamptz[], $5::timestamptz[])
on conflict (id) do update set key = excluded.key, forgotten = excluded.forgotten
where keys.key is not null and excluded.key is null
