"""The policy pack: `pulumi preview --policy-pack policy`. One module for each concern."""

from __future__ import annotations

import sys
from pathlib import Path

# The engine runs the pack from its own folder, and the rules share the program's vocabulary.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from pulumi_policy import EnforcementLevel, PolicyPack

from policy import load_balancers, naming, protection, secret_marks, verified_tls, versions, workloads

CONCERNS = (protection, secret_marks, versions, verified_tls, load_balancers, naming, workloads)

PolicyPack(
    "oss-nextgen",
    [policy for concern in CONCERNS for policy in concern.POLICIES],
    enforcement_level=EnforcementLevel.MANDATORY,
)
