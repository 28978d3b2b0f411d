-- works with: 1

-- A refusal or a timer that cannot be handled keeps back all later inputs of its instance, until
-- somebody lets it be handled again, or gives it up for a reason that is kept.

alter table chekov.outbox add column retried timestamptz;
alter table chekov.timers add column retried timestamptz;

create index outbox_set_aside on chekov.outbox (domain, name, version, partition, instance)
    where error is not null;
create index timers_set_aside on chekov.timers (domain, name, version, partition, instance)
    where error is not null;

create table chekov.discarded_inputs (
    number bigint generated always as identity,
    domain text not null,
    name text not null,
    version integer not null,
    partition integer not null,
    instance text collate "C" not null,
    input text not null,
    id uuid not null,
    error text not null,
    reason text not null,
    time timestamptz not null default clock_timestamp(),
    constraint discarded_inputs_number primary key (number)
);
create index discarded_inputs_of on chekov.discarded_inputs (domain, name, number);

-- Who appends also gives up inputs, and cannot wait until somebody grants the rights on new tables.
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
        execute format('grant select, insert on chekov.discarded_inputs to %s', writer);
    end loop;
end $$;
