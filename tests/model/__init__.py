"""A model of the chat in a few dicts, and the rules by which Hypothesis plays it against a real server (test_model.py)."""
