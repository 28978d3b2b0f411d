"""The API describes itself."""

import json
from typing import cast
from uuid import UUID

from chekov.serialization.codec import Codec
from chekov.server.openapi import document
from tests.unit.server.conftest import Serving
from tests.unit.server.library import LIBRARY, Lend


async def test_the_api_describes_itself(serving: Serving) -> None:
    async with serving() as server:
        document = await (await server.api.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        "/commands/OpenAccount",
        "/commands/deposit-money",
        "/commands/Break",
        "/commands",
        "/aggregates/account/{id}",
        "/streams",
        "/streams/{stream}",
        "/events",
    }
    body = document["paths"]["/commands/OpenAccount"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/OpenAccount"
    }
    schema = document["components"]["schemas"]["OpenAccount"]
    assert schema["required"] == ["account_id", "owner"]
    assert schema["additionalProperties"] is False


async def test_every_reference_of_the_description_leads_somewhere(serving: Serving) -> None:
    async with serving() as server:
        document = await (await server.api.get("/openapi.json")).json()

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            members = cast("dict[str, object]", value)
            own = {str(members["$ref"])} if "$ref" in members else set[str]()
            return own.union(*map(references, members.values()))
        items = cast("list[object]", value) if isinstance(value, list) else []
        return set[str]().union(*map(references, items))

    found_references = references(document)
    assert "#/components/schemas/OpenAccount" in found_references
    for reference in found_references:
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_the_openapi_example_of_a_command_is_one_that_the_codec_accepts() -> None:
    operation = document(LIBRARY)["paths"]["/commands/Lend"]["post"]
    shown = operation["requestBody"]["content"]["application/json"]["example"]
    command = Codec(LIBRARY).decode_command("Lend", json.dumps(shown).encode())
    assert isinstance(command, Lend)
    assert isinstance(command.copy, UUID)
