"""The models: one file a paper, in families."""
