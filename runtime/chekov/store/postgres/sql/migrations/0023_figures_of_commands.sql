-- works with: 1
-- How the commands of each process ended and how long they took, counted since it began, so that two
-- revisions of the same code can be compared. Processes of former releases have no row.

create table chekov.figures (
    process text not null,
    domain text not null,
    revision text not null,
    commands bigint not null,
    failures bigint not null,
    durations bigint[] not null,
    reported timestamptz not null default clock_timestamp(),
    constraint figures_process primary key (process)
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
        where pg_class.oid = 'chekov.nodes'::regclass and privilege_type = 'SELECT'
            and grantee <> relowner
    loop
        execute format('grant select on chekov.figures to %s', reader);
    end loop;
    for writer in
        select distinct case grantee when 0 then 'public' else grantee::regrole::text end
        from pg_class, aclexplode(relacl)
        where pg_class.oid = 'chekov.nodes'::regclass and privilege_type = 'INSERT'
            and grantee <> relowner
    loop
        execute format('grant select, insert, update, delete on chekov.figures to %s', writer);
    end loop;
end $$;
