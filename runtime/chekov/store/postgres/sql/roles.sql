-- Three roles for one event store, each with no more than it needs:
--   the owner    migrates, erases, imports
--   the writer   appends, and runs subscriptions and the tables of projections
--   the reader   reads events, streams, checkpoints and projections
-- Run it once as an administrator, who makes the roles and the schema, and again as the owner
-- after each migration, for the rights on new tables. What is there already stays.

select set_config('event_store.owner', :'owner', false),
    set_config('event_store.writer', :'writer', false),
    set_config('event_store.reader', :'reader', false);

do $$
declare
    owner text := current_setting('event_store.owner');
    writer text := current_setting('event_store.writer');
    reader text := current_setting('event_store.reader');
    role text;
begin
    foreach role in array array[owner, writer, reader] loop
        if not exists (select from pg_roles where rolname = role) then
            execute format('create role %I login', role);
        end if;
    end loop;
    if to_regnamespace('chekov') is null then
        execute format('create schema chekov authorization %I', owner);
    end if;
    -- Projections live in schemas that the writer makes.
    if not has_database_privilege(writer, current_database(), 'create') then
        execute format('grant create on database %I to %I', current_database(), writer);
    end if;
    if pg_has_role(current_user, writer, 'member') then
        execute format(
            'alter default privileges for role %I grant usage on schemas to %I', writer, reader
        );
        execute format(
            'alter default privileges for role %I grant select on tables to %I', writer, reader
        );
    end if;
    -- Behind a pooler nothing else limits statements.
    if (select rolsuper or rolcreaterole from pg_roles where rolname = current_user) then
        foreach role in array array[writer, reader] loop
            execute format(
                'alter role %I in database %I set statement_timeout = ''60s''',
                role, current_database()
            );
            execute format(
                'alter role %I in database %I set idle_in_transaction_session_timeout = ''60s''',
                role, current_database()
            );
        end loop;
    end if;
    execute format('grant usage on schema chekov to %I, %I', writer, reader);
end $$;

do $$
declare
    owner text := current_setting('event_store.owner');
    writer text := current_setting('event_store.writer');
    reader text := current_setting('event_store.reader');
    found record;
    wanted record;
begin
    -- What an administrator migrated becomes the owner's.
    if (select rolsuper from pg_roles where rolname = current_user) then
        execute format('alter schema chekov owner to %I', owner);
        for found in
            select oid::regclass as name from pg_class
            where relnamespace = 'chekov'::regnamespace and relkind = 'r'
        loop
            execute format('alter table %s owner to %I', found.name, owner);
        end loop;
        for found in
            select oid::regprocedure as name from pg_proc
            where pronamespace = 'chekov'::regnamespace
        loop
            execute format('alter function %s owner to %I', found.name, owner);
        end loop;
    end if;
    for wanted in
        select * from (values
            ('store', 'select', 'select'),
            ('events', 'select, insert', 'select'),
            ('streams', 'select, insert, update (first, deleted)', 'select'),
            ('tags', 'select, insert, delete', 'select'),
            ('tag_kinds', 'select, insert, update, delete', 'select'),
            ('skipped_tags', 'select, insert, delete', 'select'),
            ('writers', 'select, insert, update, delete', 'select'),
            ('snapshots', 'select, insert, update, delete', 'select'),
            ('keys', 'select, insert, update', null),
            ('subscriptions', 'select, insert, update, delete', 'select'),
            ('partitions', 'select, insert, update, delete', 'select'),
            ('nodes', 'select, insert, update, delete', 'select'),
            ('figures', 'select, insert, update, delete', 'select'),
            ('parked', 'select, insert, update, delete', 'select'),
            ('discarded', 'select, insert', 'select'),
            ('projections', 'select, insert, update, delete', 'select'),
            ('generations', 'select, insert, update, delete', 'select'),
            ('process_instances', 'select, insert, update, delete', 'select'),
            ('outbox', 'select, insert, update, delete', 'select'),
            ('refused_commands', 'select, insert, delete', 'select'),
            ('discarded_inputs', 'select, insert', 'select'),
            ('timers', 'select, insert, update, delete', 'select'),
            ('scheduled_commands', 'select, insert, update, delete', 'select'),
            ('cancelled_schedules', 'select, insert, delete', 'select'),
            ('recurring_commands', 'select, insert, update, delete', 'select'),
            ('migrations', 'select', 'select')
        ) as rights (name, writes, reads)
        where to_regclass('chekov.' || name) is not null
    loop
        execute format('revoke all on chekov.%I from public, %I, %I', wanted.name, writer, reader);
        execute format('grant %s on chekov.%I to %I', wanted.writes, wanted.name, writer);
        if wanted.reads is not null then
            execute format('grant %s on chekov.%I to %I', wanted.reads, wanted.name, reader);
        end if;
    end loop;
end $$;
