"""Tables and pictures of any set of result files, in Markdown."""
