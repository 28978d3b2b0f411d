-- works with: 1
-- Tags of events, and appends whose conditions on other events and streams are checked.

-- By tag, which positions have it; by position, what goes when an event is erased. A tag with a key is
-- a hash of personal data, and goes with the key.
create table chekov.tags (
    tag text collate "C" not null,
    position bigint not null,
    type text collate "C" not null,
    key uuid,
    constraint tags_key primary key (tag, position) include (type)
);
create index tags_position on chekov.tags (position);
create index tags_personal on chekov.tags (key) where key is not null;

-- Who appends writes it from now on: pods of this release cannot wait until somebody grants the rights
-- on new tables. Who forgets somebody deletes tags. Who reads events exports them with their tags.
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
        execute format('grant select on chekov.tags to %s', reader);
    end loop;
    for writer in
        select distinct case grantee when 0 then 'public' else grantee::regrole::text end
        from pg_class, aclexplode(relacl)
        where pg_class.oid = 'chekov.events'::regclass and privilege_type = 'INSERT'
            and grantee <> relowner
    loop
        execute format('grant select, insert, delete on chekov.tags to %s', writer);
    end loop;
end $$;

-- As append_many_v1, for appends with tags or conditions. p_tags holds an entry for each tag of each
-- event: p_tag_events numbers the event from 1, p_tag_types is its type, and p_tag_keys the key of a
-- personal tag, null when there is none. p_scopes holds an entry for each item of the scope of each
-- condition: n numbers the append, no event after position after may have all of the tags and one of
-- the types. p_unchanged holds streams that an append does not write, and their versions. Answers also
-- which conditions failed: the append, and the event, the stream or the end of the log that it met.
--
-- The order matters. An append takes the position after the head, and positions have no gaps. So
-- where the check follows the head, it sees all that stands before the append. A lone writer, which
-- takes no lock, may store an event in between: then the append would not follow the head that the
-- check was for, and is done again.
create function chekov.append_many_v2(
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
        select json_agg(first) into r_failed from (
            select distinct on (n) n, position, type, stream, version from (
                select n, null::bigint as position, null::text as type, null::text as stream,
                    head as version
                from json_to_recordset(p_scopes) as item (n integer, after bigint)
                where after > head
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
                from json_to_recordset(p_scopes)
                    as item (n integer, after bigint, types text[], tags text[])
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

create or replace function chekov.erase_v1(p_stream text, p_before bigint)
returns void language plpgsql as $$
begin
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
