-- The tables of Chekov and of Commanded's EventStore, which are nearly the same.

-- name: snapshot
set local statement_timeout = 0;
set local idle_in_transaction_session_timeout = 0

-- Stream 0 is `$all`. A stream without events has nothing to move.
-- name: streams
select stream.stream_uuid as name, stream.created_at as created, stream.deleted_at as deleted,
    min(entry.stream_version) as first, max(entry.stream_version) as last,
    array_agg(distinct event.event_type) as types
from chekov.streams as stream
join chekov.stream_events as entry on entry.stream_id = stream.stream_id
    and entry.original_stream_id = stream.stream_id
join chekov.events as event using (event_id)
where stream.stream_id <> 0
group by stream.stream_id
order by stream.stream_uuid

-- name: count
select count(*) from chekov.stream_events where stream_id = 0

-- name: links
select count(*) from chekov.stream_events
where stream_id <> 0 and stream_id <> original_stream_id

-- In the order of `$all`, whose numbers have gaps where events were deleted for good.
-- name: events
select stream.stream_uuid as stream, entry.original_stream_version as version,
    event.event_id as id, event.event_type as type, event.created_at as time,
    event.correlation_id, event.causation_id,
    event.data, event.metadata
from chekov.stream_events as entry
join chekov.events as event using (event_id)
join chekov.streams as stream on stream.stream_id = entry.original_stream_id
where entry.stream_id = 0
order by entry.stream_version
