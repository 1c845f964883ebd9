"""Deliverables of an export: contracts with golden examples, the report, and programs that check a copy anywhere."""
