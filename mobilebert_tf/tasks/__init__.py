"""What a fine-tuned model is for: one class a kind of task."""
