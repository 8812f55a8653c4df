"""Results of operations as text, Markdown and JSON: values in, text out, no I/O.

`results.py` has the values that operations return and show; `text.py` makes lines for a terminal, `comment.py` a
comment for a pull request, `as_json.py` documents for programs (docs/preview.schema.json).
"""
