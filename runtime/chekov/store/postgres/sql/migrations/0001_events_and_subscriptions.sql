-- Positions need no counter: writers of one store take turns on an advisory lock, which Postgres
-- releases after their commit is visible, and the next one finds the last position in the index.
-- So positions are contiguous and in commit order, and no row is hot.

create table chekov.events (
    position bigint not null,
    stream text not null,
    version bigint not null,
    id uuid not null,
    type text not null,
    data json not null,
    metadata json,
    correlation_id uuid,
    causation_id uuid,
    time timestamptz not null,
    constraint events_position primary key (position),
    constraint events_version unique (stream, version),
    constraint events_id unique (id)
);

create table chekov.streams (
    name text not null,
    created timestamptz not null,
    constraint streams_name primary key (name)
);

create function chekov.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'events are facts: % of %.% is refused',
        lower(tg_op), tg_table_schema, tg_table_name using errcode = 'restrict_violation';
end $$;

create trigger events_are_facts before update or delete or truncate on chekov.events
    for each statement execute function chekov.refuse_change();

-- One event on one stream: what a lone command needs, in as few statements as can be.
-- Answers the position, version and time; or no position and the stream's actual version.
create function chekov.append_one_v1(
    p_stream text, p_expected bigint, p_id uuid, p_type text, p_data json, p_metadata json,
    p_correlation_id uuid, p_causation_id uuid, p_time timestamptz,
    out r_position bigint, out r_version bigint, out r_time timestamptz
) language plpgsql as $$
begin
    -- An expression costs less than the statement that `perform` would be.
    if pg_advisory_xact_lock(hashtextextended('chekov', 0)) is null then
        return;
    end if;
    r_time := coalesce(p_time, clock_timestamp());
    -- Not max(version): its plan, made while the table is young, reads all of the stream.
    select version into r_version
    from chekov.events where stream = p_stream order by version desc limit 1;
    r_version := coalesce(r_version, 0);
    if (case p_expected when -1 then true when -2 then r_version > 0 else r_version = p_expected end)
    then
        r_version := r_version + 1;
        insert into chekov.events
        values (
            (select coalesce(max(position), 0) + 1 from chekov.events), p_stream, r_version,
            p_id, p_type, p_data, p_metadata, p_correlation_id, p_causation_id, r_time
        )
        returning position into r_position;
        if r_version = 1 then
            insert into chekov.streams values (p_stream, r_time);
        end if;
    end if;
end $$;

-- Many appends, each to a stream of its own: p_streams and p_expected hold one entry for each
-- append, the others one for each event; p_append numbers an event's append and p_within the
-- event inside it, from 1. Where each append has one event, p_stream, p_append and p_within are
-- null. Answers the position before the first new one, the time for events
-- without one, and for each append the version it found: when it refused, that is -1 - version.
create function chekov.append_many_v1(
    p_streams text[], p_expected bigint[], p_stream text[], p_append integer[], p_within integer[],
    p_ids uuid[], p_types text[], p_data json[], p_metadata json[],
    p_correlation_ids uuid[], p_causation_ids uuid[], p_times timestamptz[],
    out r_before bigint, out r_time timestamptz, out r_versions bigint[]
) language plpgsql as $$
declare
    all_allowed boolean;
    some_new boolean;
begin
    perform pg_advisory_xact_lock(hashtextextended('chekov', 0));
    r_time := clock_timestamp();
    select array_agg(case when allowed then actual else -1 - actual end order by n),
        bool_and(allowed), bool_or(allowed and actual = 0)
    into r_versions, all_allowed, some_new
    from (
        select n, actual,
            case expected when -1 then true when -2 then actual > 0 else actual = expected end
                as allowed
        from unnest(p_streams, p_expected) with ordinality as wanted (name, expected, n)
        left join lateral (
            select version from chekov.events where stream = name order by version desc limit 1
        ) as last on true
        cross join lateral (select coalesce(version, 0) as actual) as found
    ) as checked;
    select coalesce(max(position), 0) into r_before from chekov.events;
    if all_allowed then
        insert into chekov.events
        select r_before + n, stream, r_versions[coalesce(append, n)] + coalesce(within, 1),
            id, type, data, metadata, correlation_id, causation_id, coalesce(time, r_time)
        from unnest(
            coalesce(p_stream, p_streams), p_append, p_within, p_ids, p_types, p_data, p_metadata,
            p_correlation_ids, p_causation_ids, p_times
        ) with ordinality as event (
            stream, append, within, id, type, data, metadata, correlation_id, causation_id, time, n
        );
    else
        insert into chekov.events
        select r_before + row_number() over (order by n), stream,
            r_versions[coalesce(append, n)] + coalesce(within, 1),
            id, type, data, metadata, correlation_id, causation_id, coalesce(time, r_time)
        from unnest(
            coalesce(p_stream, p_streams), p_append, p_within, p_ids, p_types, p_data, p_metadata,
            p_correlation_ids, p_causation_ids, p_times
        ) with ordinality as event (
            stream, append, within, id, type, data, metadata, correlation_id, causation_id, time, n
        )
        where r_versions[coalesce(append, n)] >= 0;
    end if;
    if some_new then
        insert into chekov.streams
        select name, r_time from unnest(p_streams, r_versions) as wanted (name, actual)
        where actual = 0;
    end if;
end $$;

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
