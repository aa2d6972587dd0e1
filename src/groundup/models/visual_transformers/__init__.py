"""Visual transformers: images as sequences of patches, with attention between all of them or inside windows."""

from groundup.models.visual_transformers.swin import SwinTransformer, SwinTransformerBlock
from groundup.models.visual_transformers.vit import VisionTransformer, VisionTransformerConvStem

__all__ = ["VisionTransformer", "VisionTransformerConvStem", "SwinTransformer", "SwinTransformerBlock"]
