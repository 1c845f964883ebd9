"""The loop that every training stage goes through, and its parts."""
