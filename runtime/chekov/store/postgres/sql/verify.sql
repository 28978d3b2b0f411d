-- The end of the log, whether anything was erased from it, and whether anybody was forgotten.
-- name: contents
select coalesce(max(position), 0),
    exists (select from chekov.events where stream = '$erased'),
    exists (select from chekov.keys where forgotten is not null)
from chekov.events

-- name: next
select count(*), coalesce(min(position), 0), coalesce(max(position), 0)
from (
    select position from chekov.events where position > $1 order by position limit $2
) as page

-- An event that does not follow the previous one of its stream; erased ones may be missing.
-- name: misplaced
select position, stream from chekov.events as event
where position > $1 and position <= $2 and case
    when stream = '$erased' then version <> position
    when version = 1 then false
    else not exists (
        select from chekov.events
        where stream = event.stream and version = event.version - 1 and position < event.position
    ) and exists (
        select from chekov.events where stream = event.stream and version <> event.version
            and position < event.position
    )
end
order by position

-- name: conditions
select position, json_send(metadata) from chekov.events
where position > $1 and position <= $2 and strpos(metadata::text, '"$condition"') > 0
order by position

-- name: is_erased_between
select exists (
    select from chekov.events where stream = '$erased' and version > $1 and version < $2
)

-- Whether an event between two positions is overlooked by its tags.
-- name: is_skipped_between
select exists (
    select from chekov.skipped_tags where position > $1 and position < $2 and type = any($3::text[])
)

-- name: version_before
select coalesce((
    select version from chekov.events
    where stream = $1 and position < $2 order by version desc limit 1
), 0)

-- name: ahead
select name, partition, position from chekov.subscriptions where position > $1 order by name, partition
