-- works with: 1

-- Who paused a subscription, and which replay it last began again for. A replay that is asked for again
-- under its name is not begun anew, and what it brought back can be counted.

alter table chekov.subscriptions
    add column paused_by text not null default '',
    add column replay text not null default '';
alter table chekov.generations add column replay text not null default '';
alter table chekov.parked add column replay text not null default '';
