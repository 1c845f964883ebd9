"""Rivals of this project, each made and run in an environment of its own, beside this project in one run.

A file a rival. It runs on the Python of its environment, where this package is not installed, so it imports nothing of
it; what it says of itself are constants that `catalogue` reads.
"""
