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
set position = $8, updated = clock_timestamp()
where domain = $1 and name = $2 and version = $3 and partition = $4 and generation = $5
    and owner = $6 and epoch = $7 and position < $8
returning building

-- name: begin
insert into chekov.subscriptions (
    domain, name, version, partition, generation, position, registered
)
select $1, $2, $3, 0, $4, $5, (select coalesce(max(position), 0) from chekov.events)
on conflict do nothing

-- name: build
insert into chekov.generations (
    domain, name, version, generation, schema_name, tables, start, replay, state
)
select domain, name, version, generation, $5, $6, $7, $8,
    case when position < registered or exists (
        select from chekov.generations as other
        where other.domain = $1 and other.name = $2 and other.version = $3
            and other.state = 'serving'
    ) then 'building' else 'serving' end
from chekov.subscriptions
where domain = $1 and name = $2 and version = $3 and partition = 0 and generation = $4
returning state

-- name: building
update chekov.subscriptions set building = true
where domain = $1 and name = $2 and version = $3 and generation = $4

-- name: generations
select made.domain, made.name, made.version, made.generation, made.schema_name, made.state,
    coalesce(min(row.position), 0),
    greatest(
        max(row.registered),
        (
            select max(other.position) from chekov.generations as serving
            join chekov.subscriptions as other using (domain, name, version, generation)
            where serving.domain = made.domain and serving.name = made.name
                and serving.version = made.version and serving.state = 'serving'
                and made.state = 'building'
        ),
        0
    ),
    extract(epoch from clock_timestamp() - made.created)::float8,
    coalesce(
        bool_or(row.owner is not null and row.lease_until > clock_timestamp()), false
    ),
    made.start, made.replay
from chekov.generations as made
left join chekov.subscriptions as row using (domain, name, version, generation)
where made.domain = coalesce($1, made.domain)
group by made.domain, made.name, made.version, made.generation
order by made.domain, made.name, made.version, made.generation

-- name: serving
select set_config('search_path', quote_ident(schema_name) || ', public', true)
from chekov.generations
where domain = $1 and name = $2 and version = $3 and state = 'serving'

-- name: made
select generation, schema_name, tables, state, start from chekov.generations
where domain = $1 and name = $2 and version = $3 order by generation

-- name: retired
select name, version, generation from chekov.generations
where domain = $1 and state = 'retired'
    and retired < clock_timestamp() - make_interval(secs => $2)

-- name: retire
update chekov.generations set state = 'retired', retired = clock_timestamp()
where domain = $1 and name = $2 and version = $3 and generation = $4

-- name: in_use
select exists (
    select from chekov.subscriptions
    where domain = $1 and name = $2 and version = $3 and generation = $4
        and owner is not null and lease_until > clock_timestamp()
)

-- name: forget_parked
delete from chekov.parked
where domain = $1 and name = $2 and version = $3 and generation = $4

-- name: forget_checkpoints
delete from chekov.subscriptions
where domain = $1 and name = $2 and version = $3 and generation = $4

-- name: forget_generation
delete from chekov.generations
where domain = $1 and name = $2 and version = $3 and generation = $4
returning schema_name

-- name: forget_tables
delete from chekov.projections where schema_name = $1

-- name: announce
select pg_notify($1, '')
