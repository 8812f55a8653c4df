"""Imports of what no stack exports: refused before anything is deployed, unless the same run deploys it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from troposphere import sns

from generator.errors import DeployError
from generator.layers import Deployment, Layer
from generator.operations import DeployOptions, PreviewOptions, Session, deploy, deploy_change_set, preview
from generator.parts.imports import data_stack_name, imported
from generator.report.results import outcome, verdict
from generator.stacks.exports import check_import
from generator.template.elements import export
from rehearsal import local_aws
from rehearsal.emulator.process import emulator
from tests.command import stacks
from tests.stubbed import stubbed
from tests.ui import ListUI

EXPORTS = Layer(
    "data", "Exports two names.", (export("Early", "A name.", "a"), export("Other", "A name.", "b"), sns.Topic("Mine"))
)
LATER = Layer("data", "Exports three.", (*EXPORTS.parts, export("Late", "A name.", "c")))


def importer(name: str) -> Layer:
    return Layer("web", "Imports a name.", (data_stack_name(), sns.Topic("Topic", DisplayName=imported(name))))


@pytest.fixture
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with emulator(tmp_path_factory.mktemp("aws")) as running, local_aws.environment(running.environment):
        yield Session(ListUI())


def test_a_data_stack_that_does_not_exist_is_refused_with_the_nearest(session: Session) -> None:
    deployment = Deployment("shop", (EXPORTS, importer("Early")))
    for name in ("shop", "store"):
        deploy(deployment, session, DeployOptions(name=name, layer="data"))
    options = DeployOptions(name="other", layer="web", data_stack="shp-data")
    with pytest.raises(DeployError) as refused:
        deploy(deployment, session, options)
    assert str(refused.value) == (
        "other-web: Nothing was deployed to it: it imports shp-data-Early, which no stack exports. The nearest export "
        "is shop-data-Early, of the stack shop-data. Correct --data-stack, or deploy the stack that exports it first."
    )
    assert sorted(stacks()) == ["shop-data", "store-data"]


def test_an_output_that_the_data_stack_lacks_is_refused_before_the_execution(session: Session) -> None:
    deploy(Deployment("shop", (EXPORTS,)), session, DeployOptions(name="shop"))
    with pytest.raises(DeployError, match="it imports shop-data-Late, which no stack exports"):
        deploy(Deployment("shop", (LATER, importer("Late"))), session, DeployOptions(name="shop", layer="web"))
    assert list(stacks()) == ["shop-data"]


def test_a_preview_of_a_misspelled_import_has_failed(session: Session) -> None:
    deploy(Deployment("shop", (EXPORTS, importer("Early"))), session, DeployOptions(name="shop"))
    plans = preview(Deployment("shop", (EXPORTS, importer("Erly"))), session, PreviewOptions(name="shop"))
    assert (outcome(plans), verdict(plans)) == (
        "failed",
        "Could not be previewed: shop-web: it imports shop-data-Erly, which no stack exports. Correct the name, or "
        "deploy the exporting stack first.",
    )
    assert plans[1].findings == ()


@pytest.mark.parametrize("data_stack", ["", "restored"])
def test_what_the_same_run_exports_is_deployed_first(data_stack: str, session: Session) -> None:
    deployed = deploy(
        Deployment("shop", (EXPORTS, importer("Early"))), session, DeployOptions(name="shop", data_stack=data_stack)
    )
    assert [layer.stack.name for layer in deployed if layer.stack] == [data_stack or "shop-data", "shop-web"]


def test_a_kept_change_set_is_executed_once_the_export_is_there(session: Session) -> None:
    deployment = Deployment("shop", (LATER, importer("Late")))
    deploy(Deployment("shop", (EXPORTS,)), session, DeployOptions(name="shop"))
    (plan,) = preview(deployment, session, PreviewOptions(name="shop", layer="web", keep=True))
    with pytest.raises(DeployError, match="which no stack exports"):
        deploy_change_set([deployment], plan.kept, session, DeployOptions(name="shop"))
    deploy(deployment, session, DeployOptions(name="shop", layer="data"))
    deployed = deploy_change_set([deployment], plan.kept, session, DeployOptions(name="shop"))
    assert deployed.stack
    assert deployed.stack.status == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("exports", "nearest"),
    [
        (["new-data-VpcIds", "old-data-VpcId"], "The nearest export is old-data-VpcId, of the stack some-data. "),
        (["new-data-VpcIds", "other"], "The nearest export is new-data-VpcIds, "),
        ([], "Correct --data-stack"),
    ],
)
def test_the_nearest_export_is_one_of_the_same_output(exports: list[str], nearest: str) -> None:
    arn = "arn:aws:cloudformation:eu-west-1:123456789012:stack/some-data/1"
    with stubbed("cloudformation") as (client, stubber):
        listed = [{"Name": name, "ExportingStackId": arn} for name in exports]
        stubber.add_response("list_exports", {"Exports": listed})
        with pytest.raises(DeployError) as refused:
            check_import(client, "users", "new-data-VpcId")
    assert refused.value.then.startswith(nearest)
