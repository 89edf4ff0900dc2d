"""Tensors in, tensors out: Triton kernels, each beside its plain-torch reference."""
