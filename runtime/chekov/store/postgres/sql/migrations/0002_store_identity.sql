-- works with: 1
-- Which store this is, for processes that find another one at its address; and a check for appends
-- that assume to know the end of the log, which may have been restored meanwhile.

create table chekov.store (
    id uuid not null default gen_random_uuid(),
    created timestamptz not null default clock_timestamp(),
    constraint store_id primary key (id)
);
create unique index store_one on chekov.store ((true));

insert into chekov.store default values;

-- True when an event is at its position: then the log up to it is the one that the caller knows.
create function chekov.follows_v1(p_position bigint, p_id uuid)
returns boolean language plpgsql stable as $$
begin
    if not exists (select from chekov.events where position = p_position and id = p_id) then
        raise exception 'event % is not at position %: the log is another one', p_id, p_position
            using errcode = 'serialization_failure';
    end if;
    return true;
end $$;
