"""Commands of the project's developers: `python -m tools`."""
