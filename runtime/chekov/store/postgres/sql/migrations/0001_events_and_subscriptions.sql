-- Positions need no counter: writers of one store take turns on an advisory lock, which Postgres
-- releases after their commit is visible, and the next one finds the last position in the index.
-- So positions are contiguous and in commit order, and no row is hot.

create table chekov.events (
    position bigint not null,
    stream text collate "C" not null,
    version bigint not null,
    id uuid not null,
    type text collate "C" not null,
    data json,
    metadata json,
    correlation_id uuid,
    causation_id uuid,
    time timestamptz not null,
    content bytea,
    constraint events_position primary key (position),
    constraint events_version unique (stream, version),
    constraint events_id unique (id),
    constraint events_payload check ((data is null) <> (content is null))
);

-- Pages of a few types or of one category, without reading what lies between.
create index events_type on chekov.events (type, position);
create index events_category on chekov.events (split_part(stream, '-', 1), position);

-- Most commands begin a correlation of their own, so that their events carry one id twice: it is
-- then found by the first of these, and the second holds nothing.
create index events_correlation on chekov.events (correlation_id, position)
    where correlation_id is not null;
create index events_causation on chekov.events (causation_id, position)
    where causation_id is distinct from correlation_id;

create table chekov.streams (
    name text collate "C" not null,
    created timestamptz not null,
    first bigint not null default 1,
    deleted timestamptz,
    constraint streams_name primary key (name)
);

-- A stream is there from its first event on, whichever way that comes. The condition is as short
-- as can be, since Postgres reads it anew for every statement.
create function chekov.begin_stream() returns trigger language plpgsql as $$
begin
    if new.stream <> '$erased' then
        insert into chekov.streams (name, created) values (new.stream, new.time);
    end if;
    return null;
end $$;

create trigger events_begin_streams after insert on chekov.events
    for each row when (new.version = 1) execute function chekov.begin_stream();

create function chekov.refuse_change() returns trigger language plpgsql as $$
begin
    -- Only erasing changes events, and it says so to its own transaction.
    if tg_op = 'UPDATE' and current_setting('event_store.erasing', true) = 'on' then
        return null;
    end if;
    raise exception 'events are facts: % of %.% is refused',
        lower(tg_op), tg_table_schema, tg_table_name using errcode = 'restrict_violation';
end $$;

create trigger events_are_facts before update or delete or truncate on chekov.events
    for each statement execute function chekov.refuse_change();

-- Whether events of a command are stored.
create function chekov.is_stored_v1(p_command uuid) returns boolean language sql stable as $$
    select exists (
        select from chekov.events where correlation_id = p_command and causation_id = p_command
    ) or exists (
        select from chekov.events
        where causation_id = p_command and causation_id is distinct from correlation_id
    )
$$;

-- The version that an append may go on from, or why it may not: -2 when its command is stored
-- already, -1 when the stream is deleted, -3 - version when the stream is not where it should be.
create function chekov.outcome_v1(
    p_expected bigint, p_version bigint, p_type text, p_once uuid
) returns bigint language plpgsql stable as $$
begin
    if p_once is not null and chekov.is_stored_v1(p_once) then
        return -2;
    elsif p_type = '$deleted' then
        return -1;
    elsif p_expected = -1 or p_expected = p_version or (p_expected = -2 and p_version > 0) then
        return p_version;
    end if;
    return -3 - p_version;
end $$;

-- One event on one stream: what a lone command needs, in as few statements as can be.
-- Answers the position, version and time; or no position and the outcome.
create function chekov.append_one_v1(
    p_stream text, p_expected bigint, p_once uuid,
    p_id uuid, p_type text, p_data json, p_content bytea, p_metadata json,
    p_correlation_id uuid, p_causation_id uuid, p_time timestamptz,
    out r_position bigint, out r_version bigint, out r_time timestamptz
) language plpgsql as $$
declare
    last_type text;
begin
    -- An expression costs less than the statement that `perform` would be.
    if pg_advisory_xact_lock(hashtextextended('chekov', 0)) is null then
        return;
    end if;
    r_time := coalesce(p_time, clock_timestamp());
    -- Not max(version): its plan, made while the table is young, reads all of the stream.
    select version, type into r_version, last_type
    from chekov.events where stream = p_stream order by version desc limit 1;
    r_version := chekov.outcome_v1(p_expected, coalesce(r_version, 0), last_type, p_once);
    if r_version >= 0 then
        r_version := r_version + 1;
        insert into chekov.events
        values (
            (select coalesce(max(position), 0) + 1 from chekov.events), p_stream, r_version,
            p_id, p_type, p_data, p_metadata, p_correlation_id, p_causation_id, r_time, p_content
        )
        returning position into r_position;
    end if;
end $$;

-- Many appends, each to a stream of its own: p_streams, p_expected and p_once hold one entry for
-- each append, the others one for each event; p_append numbers an event's append and p_within the
-- event inside it, from 1. Where each append has one event, p_stream, p_append and p_within are
-- null; a column that no event uses is null. With p_together, all are stored or none. Answers the
-- position before the first new one, the time for events without one, and each append's outcome.
create function chekov.append_many_v1(
    p_together boolean,
    p_streams text[], p_expected bigint[], p_once uuid[],
    p_stream text[], p_append integer[], p_within integer[],
    p_ids uuid[], p_types text[], p_data json[], p_contents bytea[], p_metadata json[],
    p_correlation_ids uuid[], p_causation_ids uuid[], p_times timestamptz[],
    out r_before bigint, out r_time timestamptz, out r_outcomes bigint[]
) language plpgsql as $$
declare
    all_allowed boolean;
begin
    perform pg_advisory_xact_lock(hashtextextended('chekov', 0));
    r_time := clock_timestamp();
    select array_agg(outcome order by n), bool_and(outcome >= 0) into r_outcomes, all_allowed
    from (
        select n, case
            when once is not null or last.type = '$deleted'
                then chekov.outcome_v1(expected, coalesce(last.version, 0), last.type, once)
            when case expected
                when -1 then true
                when -2 then last.version is not null
                else coalesce(last.version, 0) = expected
            end then coalesce(last.version, 0)
            else -3 - coalesce(last.version, 0)
        end as outcome
        from unnest(p_streams, p_expected, p_once) with ordinality
            as wanted (name, expected, once, n)
        left join lateral (
            select version, type from chekov.events
            where stream = name order by version desc limit 1
        ) as last on true
    ) as checked;
    select coalesce(max(position), 0) into r_before from chekov.events;
    if all_allowed then
        insert into chekov.events
        select r_before + n, stream, r_outcomes[coalesce(append, n)] + coalesce(within, 1),
            id, type, data, metadata, correlation_id, causation_id, coalesce(time, r_time), content
        from unnest(
            coalesce(p_stream, p_streams), p_append, p_within, p_ids, p_types, p_data, p_contents,
            p_metadata, p_correlation_ids, p_causation_ids, p_times
        ) with ordinality as event (
            stream, append, within, id, type, data, content, metadata, correlation_id,
            causation_id, time, n
        );
    elsif p_together then
        return;
    else
        insert into chekov.events
        select r_before + row_number() over (order by n), stream,
            r_outcomes[coalesce(append, n)] + coalesce(within, 1),
            id, type, data, metadata, correlation_id, causation_id, coalesce(time, r_time), content
        from unnest(
            coalesce(p_stream, p_streams), p_append, p_within, p_ids, p_types, p_data, p_contents,
            p_metadata, p_correlation_ids, p_causation_ids, p_times
        ) with ordinality as event (
            stream, append, within, id, type, data, content, metadata, correlation_id,
            causation_id, time, n
        )
        where r_outcomes[coalesce(append, n)] >= 0;
    end if;
end $$;

-- Take away what the events of a stream below a version hold. Their places stay, so positions
-- remain contiguous and are never given to other events.
create function chekov.erase_v1(p_stream text, p_before bigint) returns void language plpgsql as $$
begin
    perform set_config('event_store.erasing', 'on', true);
    update chekov.events
    set stream = '$erased', version = position, type = '$erased', data = '{}', content = null,
        metadata = null, correlation_id = null, causation_id = null
    where stream = p_stream and version < p_before;
    perform set_config('event_store.erasing', 'off', true);
end $$;

-- End a stream with an event of type $deleted, and erase it when asked to. Answers the position of
-- that event, or none and the outcome; the outcome of a stream that was never there is 0.
create function chekov.delete_stream_v1(
    p_stream text, p_expected bigint, p_erase boolean, p_id uuid,
    out r_position bigint, out r_version bigint
) language plpgsql as $$
declare
    last_type text;
begin
    perform pg_advisory_xact_lock(hashtextextended('chekov', 0));
    -- Asked again because the answer was lost.
    select position, version into r_position, r_version from chekov.events where id = p_id;
    if found then
        return;
    end if;
    select version, type into r_version, last_type
    from chekov.events where stream = p_stream order by version desc limit 1;
    r_version := coalesce(r_version, 0);
    if r_version = 0 then
        return;
    end if;
    -- What was deleted before can still be erased.
    if p_erase and last_type = '$deleted' then
        last_type := null;
        p_expected := -1;
    end if;
    r_version := chekov.outcome_v1(p_expected, r_version, last_type, null);
    if r_version < 0 then
        return;
    end if;
    r_version := r_version + 1;
    insert into chekov.events (position, stream, version, id, type, data, time)
    values (
        (select coalesce(max(position), 0) + 1 from chekov.events), p_stream, r_version,
        p_id, '$deleted', '{}', clock_timestamp()
    )
    returning position into r_position;
    -- Whoever keeps a snapshot just now is waited for, and whoever comes later finds no stream.
    perform from chekov.streams where name = p_stream for update;
    delete from chekov.snapshots where stream = p_stream;
    if p_erase then
        perform chekov.erase_v1(p_stream, r_version + 1);
        delete from chekov.streams where name = p_stream;
    else
        update chekov.streams set deleted = clock_timestamp() where name = p_stream;
    end if;
end $$;

-- Let a stream begin at a version, of those it has. Answers the version of its last event, or the
-- outcome; of a stream that was never there that is 0.
create function chekov.truncate_stream_v1(
    p_stream text, p_before bigint, p_erase boolean, out r_version bigint
) language plpgsql as $$
declare
    last_type text;
begin
    perform pg_advisory_xact_lock(hashtextextended('chekov', 0));
    select version, type into r_version, last_type
    from chekov.events where stream = p_stream order by version desc limit 1;
    r_version := coalesce(r_version, 0);
    if last_type = '$deleted' then
        r_version := -1;
    end if;
    if r_version >= p_before then
        update chekov.streams set first = greatest(first, p_before) where name = p_stream;
        if p_erase then
            perform chekov.erase_v1(p_stream, p_before);
        end if;
    end if;
end $$;

-- State of aggregates, so that they need not be rebuilt from all of their events.
create table chekov.snapshots (
    stream text collate "C" not null,
    version bigint not null,
    kind text not null,
    data bytea not null,
    created timestamptz not null default clock_timestamp(),
    constraint snapshots_stream primary key (stream)
);

-- What personal data is encrypted with; forgetting somebody takes the key away and keeps the row.
create table chekov.keys (
    id uuid not null,
    subject text collate "C" not null,
    key bytea,
    created timestamptz not null default clock_timestamp(),
    forgotten timestamptz,
    constraint keys_id primary key (id),
    constraint keys_state check ((key is null) = (forgotten is not null))
);
create unique index keys_live on chekov.keys (subject) where forgotten is null;
create index keys_forgotten on chekov.keys (forgotten) where forgotten is not null;

create table chekov.subscriptions (
    domain text not null,
    name text not null,
    version integer not null,
    partition integer not null,
    position bigint not null,
    registered bigint not null,
    owner text,
    epoch bigint not null default 0,
    lease_until timestamptz,
    state text not null default 'running',
    error text,
    updated timestamptz not null default clock_timestamp(),
    constraint subscriptions_key primary key (domain, name, version, partition),
    constraint subscriptions_state check (state in ('running', 'paused', 'stopped'))
) with (fillfactor = 50);

create table chekov.parked (
    domain text not null,
    name text not null,
    version integer not null,
    partition integer not null,
    position bigint not null,
    stream text not null,
    type text not null,
    attempts integer not null,
    error text not null,
    time timestamptz not null default clock_timestamp(),
    constraint parked_key primary key (domain, name, version, partition, position)
);

create table chekov.projections (
    schema_name text not null,
    digest text not null,
    created timestamptz not null default clock_timestamp(),
    constraint projections_schema primary key (schema_name)
);
