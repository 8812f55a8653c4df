"""Parts in, the text of a template out; then findings and a diagram of it. No I/O, and no knowledge of the parts.

`elements.py` has what a part consists of besides Troposphere's own resources. `assemble.py` collects the elements of
parts in a Troposphere template, and `render.py` makes it text. From the text `lint.py` makes findings, with cfn-lint,
and `diagram.py` a Mermaid flowchart.
"""
