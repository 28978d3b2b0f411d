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

-- By key ids, so that a repetition after a lost answer returns the same. An append that was under
-- way when somebody was forgotten may have left tags.
-- name: forget_keys
with gone as (
    update chekov.keys set key = null, forgotten = clock_timestamp()
    where id = any($1::uuid[]) and forgotten is null
), untagged as (
    delete from chekov.tags where key in (
        select unnest($1::uuid[]) union all select id from chekov.keys where forgotten is not null
    )
)
select subject, pg_notify($2, '') from chekov.keys where id = any($1)

-- name: forgettings
select count(*) from chekov.keys where forgotten is not null
