"""`kubectl chekov bundle`: packs a folder, checks what it packed, and writes manifests."""

from argparse import Namespace
from pathlib import Path

from chekov_operator.plugin.failure import PluginError
from chekov_operator.plugin.local_code import complaint, unpacked
from chekov_operator.plugin.output import as_yaml, complain, show, show_value
from chekov_operator.plugin.packing import (
    ANNOTATED_BYTES,
    entrypoint_of,
    folder_name,
    modules_in,
    packages_in,
    packed,
    size_of,
)


async def bundle(arguments: Namespace) -> int:
    """Write the manifests of a folder."""
    folder = Path(arguments.folder)
    modules = modules_in(folder)
    entrypoint: str = arguments.entrypoint or entrypoint_of(modules)
    manifests = packed(
        modules,
        name=arguments.name or folder_name(folder).lower().replace("_", "-"),
        store=arguments.store,
        entrypoint=entrypoint,
        replicas=arguments.replicas,
        config_map=arguments.config_map,
    )
    if not arguments.no_check:
        async with unpacked(modules, entrypoint) as code:
            result = await code.check()
        if not result["ok"]:
            raise PluginError(complaint(result))
    for name in packages_in(folder):
        complain(f"the package {name} is left out: a bundle has modules only, an image takes both")
    if size_of(modules) > ANNOTATED_BYTES:
        complain("the code is large: apply it by `kubectl apply --server-side`")
    if arguments.output == "json":
        listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
        show_value(listed if len(manifests) > 1 else manifests[0], "json")
    else:
        show("---\n".join(map(as_yaml, manifests)).rstrip())
    return 0
