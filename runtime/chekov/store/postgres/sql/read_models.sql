-- name: lock
select pg_advisory_xact_lock(hashtextextended($1, 1))

-- name: digest
select digest from chekov.projections where schema_name = $1

-- name: created
insert into chekov.projections (schema_name, digest) values ($1, $2)

-- name: search_path
select set_config('search_path', quote_ident($1) || ', public', true)

-- name: advance
update chekov.subscriptions
set position = $7, updated = clock_timestamp()
where domain = $1 and name = $2 and version = $3 and partition = $4 and owner = $5 and epoch = $6
    and position < $7
returning position
