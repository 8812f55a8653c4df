"""cdk-nag's AwsSolutions and NIST 800-53 packs on the templates given; run by the cdk-nag environment."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import aws_cdk as cdk
from aws_cdk.cloudformation_include import CfnInclude
from cdk_nag import AwsSolutionsChecks, NagReportFormat, NIST80053R5Checks

found = []
with tempfile.TemporaryDirectory() as out:
    app = cdk.App(outdir=out)
    for path in map(Path, sys.argv[1:]):
        CfnInclude(cdk.Stack(app, path.stem), "Template", template_file=str(path))
    for pack in (AwsSolutionsChecks, NIST80053R5Checks):
        cdk.Aspects.of(app).add(pack(reports=True, report_formats=[NagReportFormat.JSON]))
    app.synth()
    for report in sorted(Path(out).glob("*NagReport.json")):
        for line in json.loads(report.read_text())["lines"]:
            if line["compliance"] != "Compliant":
                stack, _, subject = line["resourceId"].split("/")
                found.append([line["ruleId"], stack, subject])
print(json.dumps(found))
