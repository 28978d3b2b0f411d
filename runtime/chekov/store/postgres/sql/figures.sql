-- Those of processes that ended are read by whoever compared them with others while they ran.
-- name: report
with gone as (
    delete from chekov.figures where process in (
        select process from chekov.figures
        where reported < clock_timestamp() - interval '10 minutes' and process <> $1
        for update skip locked
    )
)
insert into chekov.figures as row (process, domain, revision, commands, failures, durations)
values ($1, $2, $3, $4, $5, $6)
on conflict (process) do update
    set commands = excluded.commands, failures = excluded.failures,
        durations = excluded.durations, reported = excluded.reported

-- name: figures
select process, domain, revision, commands, failures, durations from chekov.figures
order by process collate "C"
