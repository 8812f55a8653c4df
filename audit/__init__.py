"""Runs other tools on the templates and policies, and compares their findings with docs/security.md."""
