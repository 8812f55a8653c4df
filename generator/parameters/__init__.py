"""Parameters and tags: as they are given, and whether CloudFormation would take them.

In come option texts, files and the parameters that templates declare; out go plain names and values, or messages that
say what is wrong. Nothing here calls AWS.

- `files.py` reads parameters and tags in every form that AWS's own tools take.
- `checks.py` judges values by the types, constraints and Rules of all layers' templates.
"""
