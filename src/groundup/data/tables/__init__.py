"""Tables of numbers: samples with features, ratings, and time series."""
