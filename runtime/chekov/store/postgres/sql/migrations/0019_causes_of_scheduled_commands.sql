-- works with: 1

-- What a scheduled command was scheduled for, which its events are to name.

alter table chekov.scheduled_commands add column causation_id uuid;
alter table chekov.recurring_commands add column causation_id uuid;

-- What was cancelled is not scheduled again for the same cause: its event may be delivered again.

create table chekov.cancelled_schedules (
    domain text not null,
    id uuid not null,
    causation_id uuid not null,
    time timestamptz not null default clock_timestamp(),
    constraint cancelled_schedules_key primary key (domain, id, causation_id)
);
create index cancelled_schedules_time on chekov.cancelled_schedules (time);

-- Who appends also cancels, and cannot wait until somebody grants the rights on new tables.
do $$
declare
    writer text;
begin
    for writer in
        select distinct case grantee when 0 then 'public' else grantee::regrole::text end
        from pg_class, aclexplode(relacl)
        where pg_class.oid = 'chekov.events'::regclass and privilege_type = 'INSERT'
            and grantee <> relowner
    loop
        execute format('grant select, insert, delete on chekov.cancelled_schedules to %s', writer);
    end loop;
end $$;
create index scheduled_commands_refused on chekov.scheduled_commands (domain)
    where error is not null;
