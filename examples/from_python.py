"""Previews, deploys and destroys both layers from Python, with a UI of its own and no command line.

Run it in the second terminal of `python build.py rehearse --stay`: `python examples/from_python.py`.
"""

from __future__ import annotations

from generator import Settings, app_runner_deployment
from generator.operations import (
    DeployOptions,
    DestroyOptions,
    Plan,
    PreviewOptions,
    Session,
    Stack,
    deploy,
    destroy,
    preview,
)
from generator.report.results import Result, summary

NAME = "from-python"


class Log:
    """A UI without questions: what it may do was decided before. The guard refuses to lose data all the same."""

    def progress(self, text: str) -> None:
        print(f"... {text}")

    def show(self, result: Result) -> None:
        match result:
            case Plan():
                print(f"{result.stack_name}: {summary([result])}")
            case Stack():
                print(f"{result.name}: {result.status}, {len(result.outputs)} outputs")

    def confirm(self, question: str) -> bool:
        return True

    def confirm_name(self, name: str, question: str) -> bool:
        return name == NAME


def run(session: Session) -> str:
    """Deploys, then destroys; returns the URL that the service had."""
    deployment = app_runner_deployment(Settings(zones=2))
    for plan in preview(deployment, session, PreviewOptions(name=NAME)):
        print(f"{plan.stack_name} would have {len(plan.changes)} changes")

    deploy(deployment, session, DeployOptions(name=NAME, layer="data"))
    deployed = deploy(deployment, session, DeployOptions(name=NAME, parameters={"MaxSize": "2"}))
    service = deployed[-1]
    for fact in service.facts:
        print(f"verified: {fact.about}: {fact.found}")

    destroy(deployment, session, DestroyOptions(name=NAME, purge_images=True))
    return service.stack.outputs["ServiceUrl"] if service.stack else ""


if __name__ == "__main__":
    run(Session(Log()))
