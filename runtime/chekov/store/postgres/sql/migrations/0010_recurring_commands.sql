-- works with: 1

-- Commands that come again. When one is due, its runs are added to scheduled_commands and it is
-- moved to its next due time, in one statement: so each run is added once, and sent as every
-- scheduled command.

create table chekov.recurring_commands (
    domain text not null,
    id uuid not null,
    command text not null,
    data bytea not null,
    due timestamptz not null,
    cron text not null,
    timezone text not null,
    missed text not null,
    correlation_id uuid,
    metadata bytea,
    created timestamptz not null default clock_timestamp(),
    constraint recurring_commands_key primary key (domain, id)
);
create index recurring_commands_due on chekov.recurring_commands (domain, due);

alter table chekov.scheduled_commands add column recurring uuid;
create index scheduled_commands_recurring on chekov.scheduled_commands (domain, recurring)
    where recurring is not null;
