-- The tables of a projection are built in generations: each has a database schema and checkpoints of
-- its own, and of one version's generations one serves while another may be built beside it.

alter table chekov.subscriptions
    add column generation integer not null default 1,
    add column building boolean not null default false,
    drop constraint subscriptions_key,
    add constraint subscriptions_key
        primary key (domain, name, version, partition, generation);

alter table chekov.parked
    add column generation integer not null default 1,
    drop constraint parked_key,
    add constraint parked_key
        primary key (domain, name, version, partition, generation, position);

create table chekov.generations (
    domain text not null,
    name text not null,
    version integer not null,
    generation integer not null,
    schema_name text not null,
    tables text not null,
    state text not null,
    created timestamptz not null default clock_timestamp(),
    retired timestamptz,
    constraint generations_key primary key (domain, name, version, generation),
    constraint generations_schema unique (schema_name),
    constraint generations_state check (state in ('building', 'serving', 'retired'))
);
create unique index generations_building on chekov.generations (domain, name, version)
    where state = 'building';
create unique index generations_serving on chekov.generations (domain, name, version)
    where state = 'serving';

-- Let a generation serve in the transaction that moves its checkpoint to where the log ended when it
-- was begun, whichever statement that is. It takes over from the one that served, which ends, unless
-- that one is ahead or commits just now: then a later checkpoint or the next renewal of the claim
-- comes here again.
create function chekov.serve_generation() returns trigger language plpgsql as $$
declare
    former integer;
    there bigint;
    ahead bigint;
    free bigint;
begin
    select generation into former from chekov.generations
    where domain = new.domain and name = new.name and version = new.version
        and state = 'serving' and generation <> new.generation;
    if former is not null then
        select count(*) into there from chekov.subscriptions
        where domain = new.domain and name = new.name and version = new.version
            and generation = former;
        -- Without waiting, so that two rows are never waited for in different order.
        select count(*), max(position) into free, ahead from (
            select position from chekov.subscriptions
            where domain = new.domain and name = new.name and version = new.version
                and generation = former
            for update skip locked
        ) as locked;
        if free < there or ahead > new.position then
            return new;
        end if;
        delete from chekov.parked
        where domain = new.domain and name = new.name and version = new.version
            and generation = former;
        delete from chekov.subscriptions
        where domain = new.domain and name = new.name and version = new.version
            and generation = former;
        update chekov.generations set state = 'retired', retired = clock_timestamp()
        where domain = new.domain and name = new.name and version = new.version
            and generation = former;
    end if;
    update chekov.generations set state = 'serving'
    where domain = new.domain and name = new.name and version = new.version
        and generation = new.generation and state = 'building';
    new.building := false;
    perform pg_notify(tg_table_schema || '_free', '');
    return new;
end $$;

create trigger subscriptions_serve before update on chekov.subscriptions
    for each row when (new.building and new.position >= new.registered)
    execute function chekov.serve_generation();
