"""Parts in, the text of a template out, and what can be read from that text. No I/O, and no knowledge of the parts.

`elements.py` has what a part consists of besides Troposphere's own resources. `assemble.py` collects the elements of
parts in a Troposphere template, and `render.py` makes it text. From the text, `lint.py` makes findings with cfn-lint,
`diagram.py` a Mermaid flowchart of its references, and `architecture.py` one of what runs where. `capabilities.py` says
what CloudFormation requires for a template, `stateful.py` which of its resources hold data; `resources.py` finds the
resources and what they refer to.
"""
