"""Turns the archive of an image into one with only the layers that the node lacks.

Images of one run share nearly all of their layers, and a change of code is a small one on top.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

_OCI = "application/vnd.oci.image"


def repack(whole: Path, needed: Path, tag: str, known: Collection[str]) -> None:
    """Convert a Docker archive to an OCI archive without the known layers.

    Args:
        whole: The Docker archive of one image.
        needed: The archive to write.
        tag: The name that the image gets.
        known: Digests of what need not be in it.
    """
    with tarfile.open(whole) as source, tarfile.open(needed, "w") as target:
        (about,) = json.loads(_read(source, "manifest.json"))
        config = _read(source, about["Config"])
        layers: list[dict[str, Any]] = []
        digests = json.loads(config)["rootfs"]["diff_ids"]
        for name, digest in zip(about["Layers"], digests, strict=True):
            member = source.getmember(name)
            layers.append(_described("layer.v1.tar", digest, member.size))
            if digest not in known:
                described = tarfile.TarInfo(_path(digest))
                described.size = member.size
                target.addfile(described, source.extractfile(member))
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": _add(target, "config.v1+json", config),
            "layers": layers,
        }
        found = _add(target, "manifest.v1+json", json.dumps(manifest).encode())
        found["annotations"] = {"io.containerd.image.name": tag}
        index = {"schemaVersion": 2, "manifests": [found]}
        _write(target, "index.json", json.dumps(index).encode())
        _write(target, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')


def _read(source: tarfile.TarFile, name: str) -> bytes:
    content = source.extractfile(name)
    if content is None:
        raise LookupError(f"the archive of the image has no {name}")
    return content.read()


def _described(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": f"{_OCI}.{kind}", "digest": digest, "size": size}


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _add(target: tarfile.TarFile, kind: str, content: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    _write(target, _path(digest), content)
    return _described(kind, digest, len(content))


def _write(target: tarfile.TarFile, name: str, content: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(content)
    target.addfile(about, io.BytesIO(content))
