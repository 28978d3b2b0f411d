"""Chekov's bank decides as the original does."""

from uuid import uuid4

import pytest

from chekov import Domain, MemoryStore, Rejected, Runtime
from examples.chekov_bank.chekov_bank import (
    Account,
    AccountDeleted,
    AccountOpened,
    AccountStatus,
    AccountValidator,
    DeleteAccount,
    Deleted,
    Forced,
    OpenAccount,
    UpdateAccount,
)

ACCOUNT = uuid4()
domain = Domain("bank", aggregates=[Account], command_handlers=[AccountValidator()])


async def test_an_account_is_opened_once_updated_and_deleted() -> None:
    open_account = OpenAccount(account_id=ACCOUNT, name="Ada")
    async with Runtime(domain, store=MemoryStore()) as runtime:
        opened = await runtime.dispatch(open_account)
        assert opened.events == (AccountOpened(account_id=ACCOUNT, name="Ada"),)
        with pytest.raises(Rejected, match="the account is active"):
            await runtime.dispatch(open_account)
        updated = await runtime.dispatch(UpdateAccount(account_id=ACCOUNT, name="Bea"))
        assert updated.events == (Deleted(), Forced(why="duno"))
        deleted = await runtime.dispatch(DeleteAccount(account_id=ACCOUNT))
        assert deleted.events == (AccountDeleted(account_id=ACCOUNT),)
        with pytest.raises(Rejected, match="the account is deleted"):
            await runtime.dispatch(open_account)
        state = (await runtime.load(Account, ACCOUNT)).state
        assert (state.account_id, state.status) == (ACCOUNT, AccountStatus.DELETED)
        names = [event.type for event in await runtime.store.read_page()]
        assert names[1:3] == ["AccountUpdated::Deleted", "AccountUpdated::Forced"]
