-- fragment: event
position, stream, version, id, type, coalesce(json_send(data), content), json_send(metadata),
    correlation_id, causation_id, timestamptz_send(time)

-- Without the event that the head cache holds for the last one, the position is null and refused; also,
-- beside other processes, when one of them has its turn to append.

-- fragment: next
(
    select position + 1 from chekov.events
    where position = $1 and id = $2
        and ($3 or pg_try_advisory_xact_lock(hashtextextended('chekov', 0)))
)

-- name: append_next
insert into chekov.events values (<next>, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: append_next_many
insert into chekov.events
select
    <next> - 1 + n, stream, version, id, type, data, metadata, correlation_id, causation_id,
    coalesce(time, $4), content
from unnest(
    $5::text[], $6::bigint[], $7::uuid[], $8::text[], $9::json[], $10::bytea[], $11::json[],
    $12::uuid[], $13::uuid[], $14::timestamptz[]
) with ordinality as event (
    stream, version, id, type, data, content, metadata, correlation_id, causation_id, time, n
)

-- name: append_next_tagged
with event as (
    insert into chekov.events values (<next>, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    returning position, type
)
insert into chekov.tags (tag, position, type, key)
select tag, position, type, key from event cross join unnest($13::text[], $14::uuid[]) as of (tag, key)

-- name: append_one
select r_position, r_version, r_time
from chekov.append_one_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: append_many
select r_before, r_time, r_outcomes
from chekov.append_many_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)

-- fragment: checks
$16::text::text[], $17::text::integer[], $18::text::text[], $19,
    $20::text::integer[], $21::text::bigint[], $22, $23::text::integer[], $24::text::text[],
    $25::text::integer[], $26::text::integer[], $27, $28::text::integer[], $29::text::text[],
    $30::text::bigint[]

-- name: append_checked
select r_before, r_time, r_outcomes, r_failed::text
from chekov.append_many_v3(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, <checks>
)

-- While others append too, the answer brings along what they stored after a position: the first row has
-- the answer, and each row an event, if there are any.

-- name: append_one_following
select r_position, r_version, r_time, <event>
from chekov.append_one_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
left join lateral chekov.stored_since_v1($12, coalesce(r_position - 1, 9223372036854775807)) on true

-- name: append_many_following
select r_before, r_time, case when position is null or position = $16 + 1 then r_outcomes end, <event>
from chekov.append_many_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
left join lateral chekov.stored_since_v1($16, r_before) on true

-- Behind a pooler, settings do not outlive a transaction. So the first parameter makes those that the
-- functions' plans need, as in connection_options.py, for the transaction of this statement.

-- fragment: planning
set_config('plan_cache_mode', 'force_generic_plan', true)
    || set_config('enable_seqscan', 'off', true)

-- name: append_one_pooled
select r_position, r_version, r_time
from chekov.append_one_v1(
    left(<planning>, 0) || $1::text, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
)

-- name: append_many_pooled
select r_before, r_time, r_outcomes
from chekov.append_many_v1(
    length(<planning>) > 0 and $1::boolean,
    $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
)

-- name: append_checked_pooled
select r_before, r_time, r_outcomes, r_failed::text
from chekov.append_many_v3(
    length(<planning>) > 0 and $1::boolean,
    $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, <checks>
)

-- name: append_in_transaction
-- Parameters are texts, since the caller may have set codecs for other types on the connection.
select r_before, (extract(epoch from r_time) * 1000000)::bigint, r_outcomes, null
from chekov.append_many_v1(
    $1, $2, $3, $4::text[]::uuid[], $5, $6, $7, $8::text[]::uuid[], $9, $10::text[]::json[],
    $11, $12::text[]::json[], $13::text[]::uuid[], $14::text[]::uuid[],
    $15::text[]::timestamptz[]
)

-- name: append_checked_in_transaction
select r_before, (extract(epoch from r_time) * 1000000)::bigint, r_outcomes, r_failed::text
from chekov.append_many_v3(
    $1, $2, $3, $4::text[]::uuid[], $5, $6, $7, $8::text[]::uuid[], $9, $10::text[]::json[],
    $11, $12::text[]::json[], $13::text[]::uuid[], $14::text[]::uuid[],
    $15::text[]::timestamptz[], $16::text::text[], $17::text::integer[], $18::text::text[],
    $19::text[]::uuid[], $20::text::integer[], $21::text::bigint[], $22::text[]::uuid[],
    $23::text::integer[], $24::text::text[], $25::text::integer[], $26::text::integer[], $27,
    $28::text::integer[], $29::text::text[], $30::text::bigint[]
)

-- name: isolation
select current_setting('transaction_isolation')

-- name: stored
select position, stream, version, time from chekov.events where id = $1

-- What is erased may be cached elsewhere: other processes drop it when they are notified.

-- name: delete_stream
select r_position, r_version, case when $3 then pg_notify($5, '') end
from chekov.delete_stream_v1($1, $2, $3, $4)

-- name: truncate_stream
select r_version, case when $3 then pg_notify($4, '') end
from chekov.truncate_stream_v1($1, $2, $3)

-- name: stream_forward
select <event> from chekov.events
where stream = $1 and version > $2
    and version >= (select first from chekov.streams where name = $1 and deleted is null)
order by version limit $3

-- name: streams_forward
select page.*, number::integer - 1 as asked
from unnest($1::text[], $2::bigint[]) with ordinality as wanted (name, low, number)
cross join lateral (
    select <event> from chekov.events
    where stream = wanted.name and version > wanted.low
        and version >= (select first from chekov.streams where name = wanted.name and deleted is null)
    order by version limit $3
) as page
order by number, version

-- name: stream_backward
select <event> from chekov.events
where stream = $1 and version < $2
    and version >= (select first from chekov.streams where name = $1 and deleted is null)
order by version desc limit $3

-- name: stream_until_forward
select <event> from chekov.events
where stream = $1 and version > $2
    and version >= (select first from chekov.streams where name = $1 and deleted is null)
    and version <= coalesce($4, version) and time <= coalesce($5, time)
order by version limit $3

-- name: stream_until_backward
select <event> from chekov.events
where stream = $1 and version < $2
    and version >= (select first from chekov.streams where name = $1 and deleted is null)
    and version <= coalesce($4, version) and time <= coalesce($5, time)
order by version desc limit $3

-- name: at_positions
select <event> from chekov.events where position = any($1::bigint[]) order by position

-- name: all_forward
select <event> from chekov.events where position > $1 order by position limit $2

-- name: all_backward
select <event> from chekov.events where position < $1 order by position desc limit $2

-- A page starts at a point of the index on its condition and the position, in the order of that index.
-- With an equality instead, Postgres may scan by position alone, and read nearly the whole log when
-- matching events are rare.

-- fragment: among
($3::text[] is null or type = any($3)) and ($4::text is null or starts_with(stream, $4))
    and ($5::uuid is null or correlation_id = $5) and ($6::uuid is null or causation_id = $6)
    and ($7::text is null or stream = $7)

-- A prefix without a dash matches whole categories. The index on categories finds each of them, and its
-- events; a range of streams would have to be read as a whole, and sorted, for each page.

-- fragment: categories
categories (name) as (
    select min(split_part(stream, '-', 1)) from chekov.events
    where split_part(stream, '-', 1) >= $4 and split_part(stream, '-', 1) < $8
    union all
    select (
        select min(split_part(stream, '-', 1)) from chekov.events
        where split_part(stream, '-', 1) > categories.name and split_part(stream, '-', 1) < $8
    )
    from categories where categories.name is not null
)

-- Positions of one stream rise with its versions, by which it is indexed: a binary search finds its
-- last version up to the position $1, in as many steps as the number of its events has binary digits.
-- Versions have gaps where events were erased, so each step takes the first version from the middle.

-- fragment: search
search (low, high) as (
    select 0::bigint, coalesce(
        (select version from chekov.events where stream = $7 order by version desc limit 1), 0
    )
    union all
    select case when found.position <= $1 then found.version else low end,
        case when found.position <= $1 then high else (low + high + 1) / 2 - 1 end
    from search cross join lateral (
        select position, version from chekov.events
        where stream = $7 and version >= (low + high + 1) / 2 order by version limit 1
    ) as found
    where low < high
)

-- name: types_forward
select <event>
from unnest($3::text[]) as wanted (name) cross join lateral (
    select * from chekov.events
    where (type, position) > (wanted.name, $1) and type <= wanted.name and <among>
    order by type, position limit $2
) as found
order by position limit $2

-- name: category_forward
select <event> from chekov.events
where (split_part(stream, '-', 1), position) > (split_part($4, '-', 1), $1)
    and split_part(stream, '-', 1) <= split_part($4, '-', 1) and <among>
order by split_part(stream, '-', 1), position limit $2

-- name: prefix_forward
with recursive <categories>
select <event>
from categories cross join lateral (
    select * from chekov.events
    where (split_part(stream, '-', 1), position) > (categories.name, $1)
        and split_part(stream, '-', 1) <= categories.name and <among>
    order by split_part(stream, '-', 1), position limit $2
) as found
order by position limit $2

-- name: correlation_forward
select <event> from chekov.events
where (correlation_id, position) > ($5, $1) and correlation_id <= $5 and <among>
order by correlation_id, position limit $2

-- name: causation_forward
select <event>
from (
    (
        select * from chekov.events
        where (causation_id, position) > ($6, $1) and causation_id <= $6
            and causation_id is distinct from correlation_id and <among>
        order by causation_id, position limit $2
    )
    union all
    (
        select * from chekov.events
        where (correlation_id, position) > ($6, $1) and correlation_id <= $6 and <among>
        order by correlation_id, position limit $2
    )
) as found
order by position limit $2

-- name: caused_by_forward
select <event> from chekov.events
where starts_with(metadata::text, '{"$caused_by":"')
    and (substr(metadata::text, 16, 36), position) > ($8, $1)
    and substr(metadata::text, 16, 36) <= $8 and <among>
order by substr(metadata::text, 16, 36), position limit $2

-- name: in_stream_forward
with recursive <search>
select <event> from chekov.events
where stream = $7 and version > (select max(low) from search) and <among>
order by version limit $2

-- name: types_backward
select <event>
from unnest($3::text[]) as wanted (name) cross join lateral (
    select * from chekov.events
    where (type, position) < (wanted.name, $1) and type >= wanted.name and <among>
    order by type desc, position desc limit $2
) as found
order by position desc limit $2

-- name: category_backward
select <event> from chekov.events
where (split_part(stream, '-', 1), position) < (split_part($4, '-', 1), $1)
    and split_part(stream, '-', 1) >= split_part($4, '-', 1) and <among>
order by split_part(stream, '-', 1) desc, position desc limit $2

-- name: prefix_backward
with recursive <categories>
select <event>
from categories cross join lateral (
    select * from chekov.events
    where (split_part(stream, '-', 1), position) < (categories.name, $1)
        and split_part(stream, '-', 1) >= categories.name and <among>
    order by split_part(stream, '-', 1) desc, position desc limit $2
) as found
order by position desc limit $2

-- name: correlation_backward
select <event> from chekov.events
where (correlation_id, position) < ($5, $1) and correlation_id >= $5 and <among>
order by correlation_id desc, position desc limit $2

-- name: causation_backward
select <event>
from (
    (
        select * from chekov.events
        where (causation_id, position) < ($6, $1) and causation_id >= $6
            and causation_id is distinct from correlation_id and <among>
        order by causation_id desc, position desc limit $2
    )
    union all
    (
        select * from chekov.events
        where (correlation_id, position) < ($6, $1) and correlation_id >= $6 and <among>
        order by correlation_id desc, position desc limit $2
    )
) as found
order by position desc limit $2

-- name: caused_by_backward
select <event> from chekov.events
where starts_with(metadata::text, '{"$caused_by":"')
    and (substr(metadata::text, 16, 36), position) < ($8, $1)
    and substr(metadata::text, 16, 36) >= $8 and <among>
order by substr(metadata::text, 16, 36) desc, position desc limit $2

-- name: in_stream_backward
with recursive <search>
select <event> from chekov.events
where stream = $7 and version <= (select max(low) from search) and position < $1 and <among>
order by version desc limit $2

-- The next events in a scope, the end of the log of that moment and its id, and that of the event they
-- follow: one row without an event when there are none.

-- name: scope
with head as (
    select coalesce(max(position), 0) as position,
        (select id from chekov.events order by position desc limit 1) as id,
        (select id from chekov.events where position = $1) as before
    from chekov.events
), page as (
    select distinct found.position
    from json_to_recordset($3::text::json) as item (types text[], tags text[])
    cross join lateral (
        (
            select tags.position from chekov.tags
            where tags.tag = item.tags[1] and tags.position > $1
                and (item.types is null or tags.type = any(item.types))
                and not exists (
                    select from unnest(item.tags[2:]) as needed
                    where not exists (
                        select from chekov.tags as other
                        where other.tag = needed and other.position = tags.position
                    )
                )
            order by tags.position limit $2
        )
        union all
        (
            select each.position
            from unnest(case when item.tags is null then item.types end) as wanted (name)
            cross join lateral (
                select events.position from chekov.events
                where (events.type, events.position) > (wanted.name, $1)
                    and events.type <= wanted.name
                order by events.type, events.position limit $2
            ) as each
            order by each.position limit $2
        )
    ) as found
    order by found.position limit $2
)
select event.*, head.position, head.id, head.before
from head left join (
    select <event> from chekov.events where position in (select position from page)
) as event on true
order by event.position

-- name: types
-- One look into the index for each name.
with recursive names (name) as (
    select min(type) from chekov.events
    union all
    select (select min(type) from chekov.events where type > names.name)
    from names where names.name is not null
)
select name from names where name is not null

-- name: head
select coalesce(max(position), 0) from chekov.events

-- fragment: stream
name, (select version from chekov.events where stream = name order by version desc limit 1),
    created, first

-- name: stream_info
select <stream>, deleted from chekov.streams where name = $1

-- name: streams
select <stream> from chekov.streams
where name > $1 and name >= $2 and name < coalesce($3, repeat(U&'\+10FFFF', 250))
    and ($4::text is null or strpos(name, $4) > 0) and deleted is null
order by name limit $5

-- name: store_id
select id from chekov.store

-- The end of the log, the event at a position, and whose log it is.

-- fragment: log
coalesce((select max(position) from chekov.events), 0),
    (select id from chekov.events order by position desc limit 1),
    (select id from chekov.events where position = $1),
    (select id from chekov.store)

-- name: log
select <log>

-- name: look
select <log>, (
    select count(*) from pg_stat_activity
    where application_name = $2 and datname = current_database() and pid <> pg_backend_pid()
)

-- name: notify
select pg_notify($1, $2)
