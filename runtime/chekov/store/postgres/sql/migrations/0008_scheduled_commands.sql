-- works with: 1

-- Commands for a later time. Whoever takes one that is due moves it ahead, so that nobody else takes
-- it meanwhile and it is due again if that process ends.

create table chekov.scheduled_commands (
    domain text not null,
    id uuid not null,
    command text not null,
    data bytea not null,
    due timestamptz not null,
    correlation_id uuid,
    metadata bytea,
    attempts integer not null default 0,
    error text,
    created timestamptz not null default clock_timestamp(),
    constraint scheduled_commands_key primary key (domain, id)
);
create index scheduled_commands_due on chekov.scheduled_commands (domain, due)
    where error is null;
