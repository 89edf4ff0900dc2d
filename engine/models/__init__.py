"""Models: what every family offers (family.py), and the families, each registered by importing it
here."""

from engine.models import dense, diffusion_gemma, through_transformers  # noqa: F401
