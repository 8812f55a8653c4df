"""Exports that are imported: CloudFormation keeps them as they are.

Facts: user guide, "Get exported outputs from a deployed CloudFormation stack": "After another stack imports an output
value, you can't delete the stack that is exporting the output value or modify the exported output value". An update
learns it at its end and rolls back. The sentences are those of the knowledge centre, cloudformation-stack-export-name
-error; a newer one reads "Delete canceled. Cannot delete export X as it is in use by Y.".
"""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import _exports, _stacks, handlers, stacks
from ministack.services.cloudformation.helpers import _error, _p


def install() -> None:
    resolve, delete = stacks._resolve_stack_outputs, handlers._ACTION_HANDLERS["DeleteStack"]

    def resolved(*arguments: Any) -> Any:
        stack_id = arguments[-1]
        outputs, new = resolve(*arguments)
        for name, old in list(_exports.items()):
            if old["StackId"] == stack_id:
                if name not in new:
                    refuse_if_imported(name, "deleted")
                    _exports.pop(name)
                elif old["Value"] != new[name]["Value"]:
                    refuse_if_imported(name, "updated")
            elif name in new:
                raise ValueError(
                    f"Export with name {name} is already exported by stack {old['StackId'].split('/')[1]}."
                )
        return outputs, new

    def deleted(params: Any) -> Any:
        stack = handlers._resolve_stack(_p(params, "StackName"))
        if stack and not stack.get("EnableTerminationProtection") and stack["StackStatus"] != "DELETE_COMPLETE":
            for name, export in list(_exports.items()):
                if export["StackId"] == stack["StackId"]:
                    try:
                        refuse_if_imported(name, "deleted")
                    except ValueError as error:
                        return _error("ValidationError", str(error))
        return delete(params)

    stacks._resolve_stack_outputs = resolved
    handlers._ACTION_HANDLERS["DeleteStack"] = deleted


def refuse_if_imported(name: str, fate: str) -> None:
    for importer, stack in _stacks.items():
        if stack["StackStatus"] != "DELETE_COMPLETE" and name in handlers._imported_export_names(stack, importer):
            raise ValueError(f"Export {name} cannot be {fate} as it is in use by {importer}")
