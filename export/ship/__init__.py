"""What leaves the house: contracts with golden examples, the report, and the programs that check a copy anywhere."""
