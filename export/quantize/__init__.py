"""Float files -> the content of one file by a recipe: ranges of activations, the quantizer, lengths put together."""
