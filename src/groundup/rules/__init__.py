"""Rules: what the signature of a function cannot say about its arguments.

A rule receives the bound call, `call.x`, `call.weight`, ..., and raises `ValueError` or `TypeError` that names the
argument, what came and what to do. A function of `groundup.functional` names its rule where it is defined:

    @fused_by(kernels.conv2d, rules.conv2d)
"""
