"""PyTorch's kernels under our signatures: the fused bodies. Knows nothing of the rest of the house."""
