"""Measurements of the library itself: training, transfer, conversion, records, strategies."""
