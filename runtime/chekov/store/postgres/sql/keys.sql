-- name: live_keys
select id, subject, key from chekov.keys where subject = any($1) and forgotten is null

-- name: offer_keys
insert into chekov.keys (id, subject, key)
select id, subject, key
from unnest($1::uuid[], $2::text[], $3::bytea[]) as offered (id, subject, key)
-- Ordered, so that two processes that offer keys for the same subjects do not deadlock.
order by subject
on conflict (subject) where forgotten is null do nothing

-- name: keys
select id, subject, key from chekov.keys where id = any($1)

-- By key ids, so that a repetition after a lost answer returns the same.
-- name: forget_keys
with gone as (
    update chekov.keys set key = null, forgotten = clock_timestamp()
    where id = any($1) and forgotten is null
)
select subject, pg_notify($2, '') from chekov.keys where id = any($1)

-- name: forgettings
select count(*) from chekov.keys where forgotten is not null
