"""Graphs: one large graph or many small ones, published, generated, or from your own files."""
