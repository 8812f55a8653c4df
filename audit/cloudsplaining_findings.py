"""cloudsplaining's findings in the policies given: privilege escalation and the like; run by its environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cloudsplaining.scan.policy_document import PolicyDocument

found = []
for path in map(Path, sys.argv[1:]):
    policy = PolicyDocument(json.loads(path.read_text()))
    name = path.stem if path.parent.name == "iam" else f"{path.parent.name}-{path.stem}"
    results = {
        "PrivilegeEscalation": [found["type"] for found in policy.allows_privilege_escalation],
        "DataExfiltration": policy.allows_data_exfiltration_actions,
        "ResourceExposure": policy.permissions_management_without_constraints,
        "CredentialsExposure": policy.credentials_exposure,
        "ServiceWildcard": policy.service_wildcard,
        # One finding for each service, of which a role for CloudFormation has dozens of actions.
        "InfrastructureModification": sorted({action.split(":")[0] for action in policy.infrastructure_modification}),
    }
    found += [
        [rule, name, subject.rpartition(":")[2].replace("-", "")]
        for rule, subjects in results.items()
        for subject in subjects
    ]
print(json.dumps(found))
