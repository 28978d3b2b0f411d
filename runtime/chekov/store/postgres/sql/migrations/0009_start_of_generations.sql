-- works with: 1

-- A projection may start after the origin, and then so does each generation of its version.

alter table chekov.generations add column start bigint not null default 0;
