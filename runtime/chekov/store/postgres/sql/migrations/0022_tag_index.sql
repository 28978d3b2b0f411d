-- works with: 1
-- Which tags are complete: what is decided by them is wrong where a process stores events without them.

-- The processes that execute commands, with the types of events that they write, and the tags that they
-- give each, as `kind:type`. Processes of former releases have no row here, but one among the nodes.
create table chekov.writers (
    id text not null,
    domain text not null,
    types text[] not null,
    tagged text[] not null,
    heard timestamptz not null default clock_timestamp(),
    constraint writers_id primary key (id)
) with (fillfactor = 50);

-- By type and kind of tag, up to which position the tags of all events are written, and which position
-- that has to reach: null while a process may store events without them.
create table chekov.tag_kinds (
    type text not null,
    kind text not null,
    position bigint not null,
    target bigint,
    -- When a process of a former release was last seen, which ends its work after its row is removed.
    older_seen timestamptz,
    -- Who writes missing tags, and until when.
    owner text,
    leased timestamptz,
    constraint tag_kinds_key primary key (type, kind)
) with (fillfactor = 50);

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
        execute format('grant select on chekov.writers, chekov.tag_kinds to %s', reader);
    end loop;
    for writer in
        select distinct case grantee when 0 then 'public' else grantee::regrole::text end
        from pg_class, aclexplode(relacl)
        where pg_class.oid = 'chekov.events'::regclass and privilege_type = 'INSERT'
            and grantee <> relowner
    loop
        execute format(
            'grant select, insert, update, delete on chekov.writers, chekov.tag_kinds to %s', writer
        );
    end loop;
end $$;

-- Let a process be heard of, and look at kinds of tags. What it writes without a tag is incomplete from
-- now on: answers how many kinds were complete, if others rely on them. Answers also the end of the log,
-- and of each kind that is wanted how complete it is, whether this process is to write missing tags, and
-- which processes write events without it.
--
-- The order matters: first who writes, then the end of the log. So it has all that those stored who are
-- gone.
create function chekov.attend_writer_v1(
    p_writer text, p_domain text, p_types text[], p_tagged text[],
    p_wanted_types text[], p_wanted_kinds text[],
    out r_withdrawn integer, out r_head bigint, out r_kinds json
) language plpgsql as $$
declare
    older text[];
    lacking jsonb;
begin
    -- It need not survive a crash on its own: what is stored after it does not without it.
    perform set_config('synchronous_commit', 'off', true);
    perform pg_advisory_xact_lock(hashtextextended('chekov', 4));
    delete from chekov.writers
    where heard < clock_timestamp() - interval '10 minutes' and id <> p_writer;
    insert into chekov.writers as row (id, domain, types, tagged)
    values (p_writer, p_domain, p_types, p_tagged)
    on conflict (id) do update
        set types = excluded.types, tagged = excluded.tagged, heard = excluded.heard;
    update chekov.tag_kinds set target = null
    where target is not null and type = any(p_types) and kind || ':' || type <> all(p_tagged);
    get diagnostics r_withdrawn = row_count;
    if not exists (
        select from chekov.writers
        where id <> p_writer and heard > clock_timestamp() - interval '1 minute'
    ) then
        r_withdrawn := 0;
    end if;
    insert into chekov.tag_kinds (type, kind, position)
    select type, kind, case
        when exists (select from chekov.events where events.type = wanted.type) then 0
        else (select coalesce(max(position), 0) from chekov.events)
    end
    from unnest(p_wanted_types, p_wanted_kinds) as wanted (type, kind)
    where not exists (
        select from chekov.tag_kinds as known
        where known.type = wanted.type and known.kind = wanted.kind
    )
    on conflict do nothing;
    select coalesce(array_agg(id order by id), '{}') into older from chekov.nodes
    where domain = p_domain and heard > clock_timestamp() - interval '1 minute'
        and not exists (select from chekov.writers where writers.id = nodes.id);
    select coalesce(jsonb_object_agg(tag, ids), '{}') into lacking from (
        select kind || ':' || type as tag, array_agg(id order by id) as ids
        from unnest(p_wanted_types, p_wanted_kinds) as wanted (type, kind)
        join chekov.writers on type = any(types) and kind || ':' || type <> all(tagged)
            and heard > clock_timestamp() - interval '1 minute'
        group by type, kind
    ) as found;
    select coalesce(max(position), 0) into r_head from chekov.events;
    update chekov.tag_kinds as row
    set target = case when not lacking ? (row.kind || ':' || row.type) and older = '{}'
            then r_head end,
        older_seen = case when older = '{}' then older_seen else clock_timestamp() end
    from unnest(p_wanted_types, p_wanted_kinds) as wanted (type, kind)
    where row.type = wanted.type and row.kind = wanted.kind and case
        when older <> '{}' then true
        when lacking ? (row.kind || ':' || row.type) then target is not null
        -- They finish their commands after their rows are removed.
        else target is null and (
            older_seen is null or older_seen < clock_timestamp() - interval '30 seconds'
        )
    end;
    update chekov.tag_kinds as row
    set owner = p_writer, leased = clock_timestamp() + interval '30 seconds'
    from unnest(p_wanted_types, p_wanted_kinds) as wanted (type, kind)
    where row.type = wanted.type and row.kind = wanted.kind
        and position < coalesce(target, r_head)
        and (owner is null or owner = p_writer or leased < clock_timestamp());
    select json_agg(json_build_object(
        'type', type, 'kind', kind, 'position', position, 'target', target,
        'owned', coalesce(owner = p_writer, false),
        'without', older || array(
            select jsonb_array_elements_text(lacking -> (kind || ':' || type))
        )
    ) order by type, kind) into r_kinds
    from unnest(p_wanted_types, p_wanted_kinds) as wanted (type, kind)
    join chekov.tag_kinds using (type, kind);
end $$;

-- Write missing tags of events, and that these kinds of tags are written up to a position. Nothing is
-- done, and false answered, if another process does it meanwhile. No event is erased in between: it
-- would keep its tags.
create function chekov.add_tags_v1(
    p_writer text, p_types text[], p_kinds text[], p_through bigint,
    p_tags text[], p_positions bigint[], p_event_types text[], p_keys uuid[]
) returns boolean language plpgsql as $$
declare
    owned bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended('chekov', 5));
    update chekov.tag_kinds as row
    set position = greatest(position, p_through),
        leased = clock_timestamp() + interval '30 seconds'
    from unnest(p_types, p_kinds) as written (type, kind)
    where row.type = written.type and row.kind = written.kind and owner = p_writer;
    get diagnostics owned = row_count;
    if owned < cardinality(p_types) then
        return false;
    end if;
    insert into chekov.tags (tag, position, type, key)
    select tag, position, type, key
    from unnest(p_tags, p_positions, p_event_types, p_keys) as missing (tag, position, type, key)
    join chekov.events using (position, type)
    on conflict do nothing;
    return true;
end $$;

create or replace function chekov.erase_v1(p_stream text, p_before bigint)
returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('chekov', 5));
    delete from chekov.tags using chekov.events
    where tags.position = events.position
        and events.stream = p_stream and events.version < p_before;
    perform set_config('event_store.erasing', 'on', true);
    update chekov.events
    set stream = '$erased', version = position, type = '$erased', data = '{}', content = null,
        metadata = null, correlation_id = null, causation_id = null
    where stream = p_stream and version < p_before;
    perform set_config('event_store.erasing', 'off', true);
end $$;

-- As before; also, an item of a scope may have an anchor: the id of the event at its position. Another
-- event there is one of another log, as after a fail-over that lost commits.
create or replace function chekov.append_many_v2(
    p_together boolean,
    p_streams text[], p_expected bigint[], p_once uuid[],
    p_stream text[], p_append integer[], p_within integer[],
    p_ids uuid[], p_types text[], p_data json[], p_contents bytea[], p_metadata json[],
    p_correlation_ids uuid[], p_causation_ids uuid[], p_times timestamptz[],
    p_tags text[], p_tag_events integer[], p_tag_types text[], p_tag_keys uuid[],
    p_scopes json, p_unchanged json,
    out r_before bigint, out r_time timestamptz, out r_outcomes bigint[], out r_failed json
) language plpgsql as $$
declare
    head bigint;
    failed bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended('chekov', 0));
    if p_scopes is not null or p_unchanged is not null then
        select coalesce(max(position), 0) into head from chekov.events;
        -- A statement of its own, so that it sees all that was committed when the head was read.
        with item as materialized (
            select * from json_to_recordset(p_scopes)
                as item (n integer, after bigint, anchor uuid, types text[], tags text[])
        )
        select json_agg(first) into r_failed from (
            select distinct on (n) n, position, type, stream, version from (
                select n, null::bigint as position, null::text as type, null::text as stream,
                    head as version
                from item
                where after > head or anchor is not null and not exists (
                    select from chekov.events where position = after and id = anchor
                )
                union all
                select n, null, null, stream, coalesce(last.version, 0)
                from json_to_recordset(p_unchanged)
                    as guarded (n integer, stream text, version bigint)
                left join lateral (
                    select events.version from chekov.events
                    where events.stream = guarded.stream order by events.version desc limit 1
                ) as last on true
                where coalesce(last.version, 0) <> guarded.version
                union all
                select n, found.position, found.type, null, null
                from item
                cross join lateral (
                    (
                        select tags.position, tags.type from chekov.tags
                        where tags.tag = item.tags[1] and tags.position > item.after
                            and (item.types is null or tags.type = any(item.types))
                            and not exists (
                                select from unnest(item.tags[2:]) as needed
                                where not exists (
                                    select from chekov.tags as other
                                    where other.tag = needed and other.position = tags.position
                                )
                            )
                        order by tags.position limit 1
                    )
                    union all
                    (
                        select each.position, each.type
                        from unnest(case when item.tags is null then item.types end)
                            as wanted (name)
                        cross join lateral (
                            select events.position, events.type from chekov.events
                            where (events.type, events.position) > (wanted.name, item.after)
                                and events.type <= wanted.name
                            order by events.type, events.position limit 1
                        ) as each
                        order by each.position limit 1
                    )
                ) as found
                where item.after < head
            ) as every
            order by n, position nulls first
        ) as first;
        for failed in select (entry ->> 'n')::bigint from json_array_elements(r_failed) as entry loop
            -- A version that no stream has.
            p_expected[failed] := -4;
        end loop;
    end if;
    select * into r_before, r_time, r_outcomes from chekov.append_many_v1(
        p_together, p_streams, p_expected, p_once, p_stream, p_append, p_within, p_ids, p_types,
        p_data, p_contents, p_metadata, p_correlation_ids, p_causation_ids, p_times
    );
    if head <> r_before then
        raise exception 'position % was taken after its append was checked', head + 1
            using errcode = 'serialization_failure';
    end if;
    if p_tags is not null and not (p_together and exists (
        select from unnest(r_outcomes) as outcome where outcome < 0
    )) then
        insert into chekov.tags (tag, position, type, key)
        select tag, r_before + place, type, key
        from unnest(p_tags, p_tag_types, p_tag_events, p_tag_keys) as tagged (tag, type, n, key)
        join (
            select n, row_number() over (order by n) as place
            from generate_subscripts(p_ids, 1) as n
            where r_outcomes[coalesce(p_append[n], n)] >= 0
        ) as placed using (n);
    end if;
end $$;
