"""Roles with least privilege, as SQL for the administrator of the database."""

from chekov.errors import StoreError
from chekov.store.postgres.statements import script

_NAME_BYTES = 63


def roles_sql(schema: str, *, owner: str, writer: str, reader: str) -> str:
    """SQL that creates three roles and grants each its rights on a store; it can be repeated.

    Args:
        schema: the store's schema, created when it is missing.
        owner: migrates, erases and imports.
        writer: appends and runs subscriptions.
        reader: only reads.

    Raises:
        StoreError: a name cannot be that of a role, or two are the same.
    """
    names = {"owner": owner, "writer": writer, "reader": reader}
    for name in names.values():
        if not 0 < len(name.encode()) <= _NAME_BYTES or "\0" in name or "\\" in name:
            raise StoreError(f"role {name!r} must be 1 to {_NAME_BYTES} bytes without NUL and \\")
    if len(set(names.values())) < len(names):
        raise StoreError("owner, writer and reader must be three different roles")
    sql = script("roles", schema)
    for part, name in names.items():
        sql = sql.replace(f":'{part}'", "'" + name.replace("'", "''") + "'")
    return sql
