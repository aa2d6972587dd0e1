"""Tools for a model that is built or trained: summarise it, plan it, explain it, and ask it about new data."""
