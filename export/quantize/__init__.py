"""Float32 files -> the content of one file by a recipe: ranges of activations, quantizer, merging of lengths."""
