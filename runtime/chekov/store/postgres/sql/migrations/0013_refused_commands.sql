-- works with: 1

-- A command of a process manager that was refused is never stored later: a former owner that was
-- stopped before its append may come back after the refusal was handled. The append's own check for
-- repetitions finds these rows, and whoever writes them takes turns with appends.

create table chekov.refused_commands (
    id uuid not null,
    time timestamptz not null default clock_timestamp(),
    constraint refused_commands_id primary key (id)
);
create index refused_commands_time on chekov.refused_commands (time);

-- Who appends reads it from now on, also pods of the release before: they cannot wait until
-- somebody grants the rights on new tables.
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
        execute format('grant select, insert, delete on chekov.refused_commands to %s', writer);
    end loop;
end $$;

create or replace function chekov.outcome_v1(
    p_expected bigint, p_version bigint, p_type text, p_once uuid
) returns bigint language plpgsql stable as $$
begin
    -- By itself, an expression without a statement: most appends check nothing more.
    if p_once is not null then
        if chekov.is_stored_v1(p_once)
            or exists (select from chekov.refused_commands where id = p_once)
        then
            return -2;
        end if;
    end if;
    if p_type = '$deleted' then
        return -1;
    elsif p_expected = -1 or p_expected = p_version or (p_expected = -2 and p_version > 0) then
        return p_version;
    end if;
    return -3 - p_version;
end $$;

-- Take executed commands out of the outbox, and keep why others were refused. One that a former
-- owner stored meanwhile is not refused but executed. Answers whether the claim still holds.
create function chekov.settle_v1(
    p_domain text, p_name text, p_version integer, p_partition integer, p_generation integer,
    p_owner text, p_epoch bigint,
    p_sent bigint[], p_refused bigint[], p_refusals bytea[]
) returns boolean language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('chekov', 0));
    perform from chekov.subscriptions
    where domain = p_domain and name = p_name and version = p_version and partition = p_partition
        and generation = p_generation and owner = p_owner and epoch = p_epoch
    for share;
    if not found then
        return false;
    end if;
    insert into chekov.refused_commands (id)
    select id from chekov.outbox
    where domain = p_domain and name = p_name and version = p_version and partition = p_partition
        and number = any(p_refused) and not chekov.is_stored_v1(id)
    on conflict do nothing;
    update chekov.outbox set refusal = answer
    from unnest(p_refused, p_refusals) as answered (numbered, answer)
    where domain = p_domain and name = p_name and version = p_version and partition = p_partition
        and number = numbered
        and exists (select from chekov.refused_commands as known where known.id = outbox.id);
    delete from chekov.outbox
    where domain = p_domain and name = p_name and version = p_version and partition = p_partition
        and (number = any(p_sent) or (number = any(p_refused) and refusal is null));
    -- Nobody comes back after so long.
    delete from chekov.refused_commands where id in (
        select id from chekov.refused_commands
        where time < clock_timestamp() - interval '30 days' order by time limit 1000
    );
    return true;
end $$;
