"""From files to batches: text, vocabulary, pretraining records, labelled tables."""
