-- name: snapshot
select stream, version, kind, data from chekov.snapshots where stream = $1

-- name: save_snapshot
with stream as materialized (
    select name from chekov.streams where name = $1 and deleted is null for share
)
insert into chekov.snapshots (stream, version, kind, data)
select name, $2, $3, $4
from stream
where $2 <= (select version from chekov.events where stream = $1 order by version desc limit 1)
on conflict (stream) do update
set version = excluded.version, kind = excluded.kind, data = excluded.data,
    created = excluded.created
where snapshots.version < excluded.version or snapshots.kind <> excluded.kind

-- name: forget_snapshot
delete from chekov.snapshots where stream = $1
