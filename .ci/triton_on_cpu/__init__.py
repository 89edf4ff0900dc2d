"""A backend of Triton for machines without a card, where TRITON_INTERPRET=1 runs every kernel.

vLLM asks Triton which device is there while it imports its kernels; nothing is ever compiled.
"""
