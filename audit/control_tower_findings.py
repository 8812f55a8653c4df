"""AWS Control Tower's Guard rules, which CDK's validation plug-in bundles, on the templates given."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from pathlib import Path

import aws_cdk as cdk
from aws_cdk.cloudformation_include import CfnInclude
from cdklabs.cdk_validator_cfnguard import CfnGuardValidator

found = []
with tempfile.TemporaryDirectory() as out:
    app = cdk.App(
        outdir=out,
        policy_validation_beta1=[CfnGuardValidator(control_tower_rules_enabled=True)],
        context={"@aws-cdk/core:validationReportJson": True},
    )
    for path in map(Path, sys.argv[1:]):
        CfnInclude(cdk.Stack(app, path.stem), "Template", template_file=str(path))
    # It prints its findings too, and fails where there are any.
    with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(RuntimeError):
        app.synth()
    # The other report is CDK's own.
    reports = json.loads((Path(out) / "policy-validation-report.json").read_text())["pluginReports"]
    (report,) = (report for report in reports if report["summary"]["pluginName"] == "cdk-validator-cfnguard")
    for violation in report["violations"]:
        rule = violation["description"].partition("]")[0].strip("[")
        for resource in violation["violatingResources"]:
            template = resource["templatePath"].removesuffix(".template.json")
            found.append([rule, template, resource["resourceLogicalId"]])
print(json.dumps(found))
