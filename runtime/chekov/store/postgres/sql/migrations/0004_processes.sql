-- works with: 1

-- Process managers: the state of each open instance, the commands that are to be sent or were
-- refused, and the timers. Numbers of the outbox follow the order of commits, since only the owner
-- of the subscription writes.

create table chekov.process_instances (
    domain text not null,
    name text not null,
    version integer not null,
    partition integer not null,
    instance text collate "C" not null,
    begun_by uuid not null,
    begun timestamptz not null,
    data bytea not null,
    updated timestamptz not null default clock_timestamp(),
    constraint process_instances_key primary key (domain, name, version, partition, instance)
) with (fillfactor = 80);

create table chekov.outbox (
    number bigint generated always as identity,
    domain text not null,
    name text not null,
    version integer not null,
    partition integer not null,
    instance text collate "C" not null,
    begun_by uuid not null,
    id uuid not null,
    command text not null,
    data bytea not null,
    correlation_id uuid,
    causation_id uuid,
    metadata bytea,
    time timestamptz not null default clock_timestamp(),
    refusal bytea,
    error text,
    constraint outbox_number primary key (number)
);
create index outbox_pending on chekov.outbox (domain, name, version, partition, number)
    where refusal is null;
create index outbox_refused on chekov.outbox (domain, name, version, partition, number)
    where refusal is not null;
create index outbox_instance on chekov.outbox (domain, name, version, partition, instance);

create table chekov.timers (
    domain text not null,
    name text not null,
    version integer not null,
    partition integer not null,
    instance text collate "C" not null,
    timer text collate "C" not null,
    id uuid not null,
    due timestamptz not null,
    command text,
    data bytea not null,
    begun_by uuid not null,
    correlation_id uuid,
    causation_id uuid,
    metadata bytea,
    error text,
    constraint timers_key primary key (domain, name, version, partition, instance, timer)
);
create index timers_due on chekov.timers (domain, name, version, partition, due)
    where error is null;
