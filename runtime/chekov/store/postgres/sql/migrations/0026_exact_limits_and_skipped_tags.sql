-- works with: 1

-- Keep a recurring command, unless there is one of its id, or one was cancelled for the same cause. Answers
-- whether it is kept now, and whether it is refused because the domain has as many as p_most. Who adds one
-- with a limit waits for the others: two callers would both find the last place free.
create function chekov.add_recurring_v1(
    p_domain text, p_id uuid, p_command text, p_data bytea, p_due timestamptz, p_cron text,
    p_timezone text, p_missed text, p_correlation_id uuid, p_metadata bytea, p_causation_id uuid,
    p_most integer,
    out r_added boolean, out r_full boolean
) language plpgsql as $$
begin
    r_added := false;
    r_full := false;
    if p_most is not null then
        perform pg_advisory_xact_lock(hashtextextended('chekov ' || p_domain, 6));
    end if;
    -- A statement of its own, so that it sees what was committed when the lock was free.
    if exists (
        select from chekov.recurring_commands where domain = p_domain and id = p_id
    ) or exists (
        select from chekov.cancelled_schedules
        where domain = p_domain and id = p_id and causation_id = p_causation_id
    ) then
        return;
    end if;
    if p_most is not null then
        select count(*) >= p_most into r_full from chekov.recurring_commands where domain = p_domain;
        if r_full then
            return;
        end if;
    end if;
    insert into chekov.recurring_commands (
        domain, id, command, data, due, cron, timezone, missed, correlation_id, metadata, causation_id
    ) values (
        p_domain, p_id, p_command, p_data, p_due, p_cron, p_timezone, p_missed, p_correlation_id,
        p_metadata, p_causation_id
    ) on conflict do nothing;
    r_added := found;
end $$;

-- Where the tags of an event cannot be made, they are missing from there on until somebody repairs the
-- event, or takes it out of what decisions see.
alter table chekov.tag_kinds add column stopped_at bigint, add column error text;

create table chekov.skipped_tags (
    position bigint not null,
    type text not null,
    error text not null,
    reason text not null,
    skipped timestamptz not null default clock_timestamp(),
    constraint skipped_tags_position primary key (position)
);

-- Pods of this release cannot wait until somebody grants the rights on new tables.
do $$
declare
    writer text;
    reader text;
begin
    for reader in
        select distinct case grantee when 0 then 'public' else grantee::regrole::text end
        from pg_class, aclexplode(relacl)
        where pg_class.oid = 'chekov.events'::regclass and privilege_type = 'SELECT'
            and grantee <> relowner
    loop
        execute format('grant select on chekov.skipped_tags to %s', reader);
    end loop;
    for writer in
        select distinct case grantee when 0 then 'public' else grantee::regrole::text end
        from pg_class, aclexplode(relacl)
        where pg_class.oid = 'chekov.events'::regclass and privilege_type = 'INSERT'
            and grantee <> relowner
    loop
        execute format('grant select, insert, delete on chekov.skipped_tags to %s', writer);
    end loop;
end $$;

-- As before; also, what is said of erased events goes with them: an error may quote what they held.
create or replace function chekov.erase_v1(p_stream text, p_before bigint)
returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('chekov', 5));
    delete from chekov.tags using chekov.events
    where tags.position = events.position
        and events.stream = p_stream and events.version < p_before;
    delete from chekov.skipped_tags using chekov.events
    where skipped_tags.position = events.position
        and events.stream = p_stream and events.version < p_before;
    update chekov.tag_kinds set stopped_at = null, error = null from chekov.events
    where stopped_at = events.position
        and events.stream = p_stream and events.version < p_before;
    perform set_config('event_store.erasing', 'on', true);
    update chekov.events
    set stream = '$erased', version = position, type = '$erased', data = '{}', content = null,
        metadata = null, correlation_id = null, causation_id = null
    where stream = p_stream and version < p_before;
    perform set_config('event_store.erasing', 'off', true);
end $$;

-- As before, but where another process writes the tags of one of the kinds, the others are not taken
-- to be written, either: that was committed, too, with the answer that nothing was done.
create or replace function chekov.add_tags_v1(
    p_writer text, p_types text[], p_kinds text[], p_through bigint,
    p_tags text[], p_positions bigint[], p_event_types text[], p_keys uuid[]
) returns boolean language plpgsql as $$
begin
    return chekov.add_tags_v2(
        p_writer, p_types, p_kinds, 0, p_through,
        p_tags, p_positions, p_event_types, p_keys, '{}', '{}', '{}'
    );
end $$;

-- As add_tags_v1 did; also, of events whose tags cannot be made, the first of each type stops the kinds of
-- that type just before it, with the error, unless it is skipped. Nothing is done either if one of the
-- kinds lacks tags up to p_after, as where an event is looked at again since the writer read those after.
create function chekov.add_tags_v2(
    p_writer text, p_types text[], p_kinds text[], p_after bigint, p_through bigint,
    p_tags text[], p_positions bigint[], p_event_types text[], p_keys uuid[],
    p_failed bigint[], p_failed_types text[], p_errors text[]
) returns boolean language plpgsql as $$
declare
    owned bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended('chekov', 5));
    -- Before any of them changes: what this answers with false is committed, too.
    perform from chekov.tag_kinds as row
    join unnest(p_types, p_kinds) as written (type, kind) using (type, kind)
    where owner = p_writer and position >= p_after
    for update of row;
    get diagnostics owned = row_count;
    if owned < cardinality(p_types) then
        return false;
    end if;
    with stop as (
        select distinct on (type) type, position, error
        from unnest(p_failed, p_failed_types, p_errors) as failed (position, type, error)
        -- One that was erased meanwhile has none, and its error would be kept.
        join chekov.events using (position, type)
        where not exists (
            select from chekov.skipped_tags where skipped_tags.position = events.position
        )
        order by type, position
    )
    update chekov.tag_kinds as row
    set position = greatest(row.position, least(p_through, stop.position - 1)),
        stopped_at = coalesce(stop.position, row.stopped_at),
        error = coalesce(stop.error, row.error),
        leased = clock_timestamp() + interval '30 seconds'
    from unnest(p_types, p_kinds) as written (type, kind)
    left join stop on stop.type = written.type
    where row.type = written.type and row.kind = written.kind;
    insert into chekov.tags (tag, position, type, key)
    select tag, position, type, key
    from unnest(p_tags, p_positions, p_event_types, p_keys) as missing (tag, position, type, key)
    join chekov.events using (position, type)
    on conflict do nothing;
    return true;
end $$;

-- Let decisions do without the event at which kinds of tags have stopped; answers its type, or null if
-- none has stopped there.
create function chekov.skip_tags_v1(p_position bigint, p_reason text)
returns text language plpgsql as $$
declare
    r_type text;
begin
    perform pg_advisory_xact_lock(hashtextextended('chekov', 5));
    insert into chekov.skipped_tags (position, type, error, reason)
    select stopped_at, type, error, p_reason from chekov.tag_kinds
    where stopped_at = p_position and position = p_position - 1
    limit 1
    on conflict do nothing
    returning type into r_type;
    return r_type;
end $$;

-- Look again at an event that was skipped, and at all after it; answers its type, or null if it was not
-- skipped. Until that is done, its kinds of tags are incomplete.
create function chekov.unskip_tags_v1(p_position bigint)
returns text language plpgsql as $$
declare
    r_type text;
begin
    perform pg_advisory_xact_lock(hashtextextended('chekov', 5));
    delete from chekov.skipped_tags where position = p_position returning type into r_type;
    update chekov.tag_kinds set position = least(position, p_position - 1) where type = r_type;
    return r_type;
end $$;
