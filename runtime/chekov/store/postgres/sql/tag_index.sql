-- fragment: stopped
case when tag_kinds.stopped_at = tag_kinds.position + 1 then tag_kinds.stopped_at end

-- fragment: skipped
(select count(*) from chekov.skipped_tags where skipped_tags.type = tag_kinds.type)

-- Where the kinds have stopped is as of before, which the next look puts right.
-- name: attend
select r_withdrawn, r_head, (
    select json_agg(item::jsonb || jsonb_build_object(
        'stopped_at', <stopped>, 'error', tag_kinds.error, 'skipped', <skipped>
    ) order by place)::text
    from json_array_elements(r_kinds) with ordinality as each (item, place)
    left join chekov.tag_kinds
        on tag_kinds.type = item ->> 'type' and tag_kinds.kind = item ->> 'kind'
) from chekov.attend_writer_v1($1, $2, $3, $4, $5, $6)

-- name: add
select chekov.add_tags_v2($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: leave
with gone as (delete from chekov.writers where id = $1)
update chekov.tag_kinds set owner = null, leased = null where owner = $1

-- name: kinds
select type, kind, position, target, <stopped>, error, <skipped>
from chekov.tag_kinds order by type collate "C", kind collate "C"

-- name: skip
select chekov.skip_tags_v1($1, $2)

-- name: unskip
select chekov.unskip_tags_v1($1)

-- name: skipped
select position, type, error, reason, skipped from chekov.skipped_tags order by position
