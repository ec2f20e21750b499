"""The product's policy pack, as the lab's language host can run it.

The language host that is built from its Go module cannot start a policy pack of the runtime `python`. So the pack is
copied, and its runtime is one whose plugin is the pack's own interpreter. The rules are those of the product.
"""

from __future__ import annotations

import json
import shutil

import yaml

from lab.files import write_private
from lab.layout import REPOSITORY, Lab

PACK = REPOSITORY / "policy"
RUNTIME = "labpython"
PLUGIN = '#!/bin/sh\nexec python3 -u -m pulumi.policy "$1" "$2"\n'
CONFIG = {"stateful-protected": "disabled"}
"""What is made on the lab can be thrown away: `protection` is off there."""


def publish(lab: Lab) -> dict[str, str]:
    """Write the copy. Returns the variables by which the engine takes it, and the folder of the plugin for the PATH."""
    folder = lab.home / "policy"
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    project = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text())
    (folder / "PulumiPolicy.yaml").write_text(yaml.safe_dump(project | {"runtime": RUNTIME}))
    shutil.copy(PACK / "__main__.py", folder)
    plugin = folder / "bin" / f"pulumi-analyzer-policy-{RUNTIME}"
    plugin.write_text(PLUGIN)
    plugin.chmod(0o755)
    write_private(folder / "config.json", json.dumps(CONFIG))
    return {"PULUMI_OPTION_POLICY_PACK": str(folder), "PULUMI_OPTION_POLICY_PACK_CONFIG": str(folder / "config.json")}
