"""The operator's process as a later release that makes pods in another way.

Its template has one more variable from the next version on. `python -m
tests.operator.process.later` runs it.
"""

import sys
from typing import Any

from chekov_operator.children import workloads
from chekov_operator.children.revision import TEMPLATE_VERSION, Revision
from chekov_operator.controllers.bundle import deployments, revisions
from chekov_operator.kube.objects import Object
from tests.operator.process import stubbed

NEXT = TEMPLATE_VERSION + 1
ADDED = {"name": "CHEKOV_ADDED_LATER", "value": "1"}


def deployment(revision: Revision, *counts: int | None, **named: Any) -> Object:
    made = workloads.deployment(revision, *counts, **named)
    if revision.template >= NEXT:
        made["spec"]["template"]["spec"]["containers"][0]["env"].append(ADDED)
    return made


if __name__ == "__main__":
    setattr(revisions, "TEMPLATE_VERSION", NEXT)  # noqa: B010 -- what the release would have there
    setattr(deployments, "deployment", deployment)  # noqa: B010
    sys.exit(stubbed.main())
