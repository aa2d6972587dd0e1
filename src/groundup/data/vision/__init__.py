"""Images with labels: data sets, your own files, and transforms of batches."""
