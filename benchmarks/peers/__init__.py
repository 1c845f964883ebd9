"""Rivals of this project, each built and run in its own environment, and measured together with it in one run.

There is one module per rival. It runs on the Python of its environment, where this package is not installed, so it
imports nothing from it. Its constants describe it; `catalogue` reads them.
"""
