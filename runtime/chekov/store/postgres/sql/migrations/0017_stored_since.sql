-- works with: 1

-- The events that others stored after a position, up to one, for the answer of an append: called in
-- its statement, after the append, while that has the append lock. Volatile, so that it sees what was
-- committed while the statement waited for the lock. At most 100 events and 64 kB of them.
create function chekov.stored_since_v1(p_after bigint, p_through bigint)
returns setof chekov.events language plpgsql rows 10 as $$
begin
    if p_after < p_through then
        return query
        select (event).*
        from (
            select event, sum(coalesce(pg_column_size(event.data), 0)
                + coalesce(pg_column_size(event.content), 0)
                + coalesce(pg_column_size(event.metadata), 0)) over (order by event.position) as size
            from (
                select * from chekov.events
                where position > p_after and position <= p_through
                order by position limit 100
            ) as event
        ) as sized
        where size <= 65536
        order by (event).position;
    end if;
end $$;
