-- name: attend
select r_withdrawn, r_head, r_kinds::text from chekov.attend_writer_v1($1, $2, $3, $4, $5, $6)

-- name: add
select chekov.add_tags_v1($1, $2, $3, $4, $5, $6, $7, $8)

-- name: leave
with gone as (delete from chekov.writers where id = $1)
update chekov.tag_kinds set owner = null, leased = null where owner = $1

-- name: kinds
select type, kind, position, target from chekov.tag_kinds order by type collate "C", kind collate "C"
