-- works with: 1

-- An event for several instances of a process manager blocks all of them: `also` has the keys besides
-- `key`. Whoever asks for the next attempt at a parked event leaves the number of this change, so that
-- its owner ends the pause before that attempt.

alter table chekov.parked
    add column also text[] collate "C" not null default '{}',
    add column retried bigint not null default 0;
create index parked_also on chekov.parked (
    domain, name, version, partition, generation, position
) where also <> '{}';

-- Where a generation took over is kept: what it handled until then was a replay, and what it parked of
-- that still is when it is handled later, by whichever process.

create or replace function chekov.serve_generation() returns trigger language plpgsql as $$
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
        new.registered := new.position;
    end if;
    update chekov.generations set state = 'serving'
    where domain = new.domain and name = new.name and version = new.version
        and generation = new.generation and state = 'building';
    new.building := false;
    perform pg_notify(tg_table_schema || '_free', '');
    return new;
end $$;
