"""Reading of data, from files to batches: text, vocabulary, pretraining records, labelled tables."""
