-- works with: 4
-- A parked event blocks its key, and can be retried or discarded.

-- What former releases park has the key '', which no event has: it blocks nothing.
alter table chekov.parked
    add column key text collate "C" not null default '',
    add column state text not null default 'failed',
    add column first_error text not null default '',
    add column fingerprint text not null default '',
    add column traceback text not null default '',
    add constraint parked_state check (state in ('failed', 'blocked', 'retrying'));
update chekov.parked set key = stream, first_error = error;
create index parked_in_order on chekov.parked (
    domain, name, version, partition, generation, key, position
);

alter table chekov.subscriptions
    add column parked_changes bigint not null default 0,
    add column last_failed bigint not null default 0;

create table chekov.discarded (
    domain text not null,
    name text not null,
    version integer not null,
    partition integer not null,
    generation integer not null,
    position bigint not null,
    key text collate "C" not null,
    stream text not null,
    type text not null,
    attempts integer not null,
    error text not null,
    fingerprint text not null,
    reason text not null,
    time timestamptz not null default clock_timestamp(),
    constraint discarded_key primary key (domain, name, version, partition, generation, position)
);
