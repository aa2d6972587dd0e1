"""Rows: common mistakes: torch.nn's keywords, arrays, labels and images of the wrong kind, mixed types."""

import numpy as np
import torch

from groundup import functional as G
from groundup import layers as L
from groundup import models as M

x, tokens = torch.ones(2, 5, 8), torch.ones(2, 5, dtype=torch.int64)
mask, padding = torch.zeros(5, 5, dtype=torch.bool), torch.zeros(2, 5, dtype=torch.bool)
images = torch.ones(1, 3, 32, 32)
scores, labels = torch.ones(4, 3), torch.tensor([0, 1, 2, 0])
heads, stack = L.MultiHeadAttention(8, 2), M.TransformerEncoder(M.TransformerEncoderLayer(8, 2, 12), 1)
decoder = M.TransformerDecoderLayer(8, 2, 12)
transformer = M.Transformer(11, d_model=8, nhead=2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=12)

#: (component, call, error, words)
KEYWORDS = [
    (name, call, TypeError, words)
    for name, call, words in (
        ("MultiHeadAttention", lambda: heads(x, x, x, attn_mask=mask), "'attn_mask': pass mask=~attn_mask: in a bool"),
        ("GroupedQueryAttention", lambda: L.GroupedQueryAttention(8, 4, 2)(x, attn_mask=mask), "pass mask=~attn_mask"),
        ("DotProductAttention", lambda: L.DotProductAttention()(x, x, x, attn_mask=mask), "pass mask=~attn_mask"),
        (
            "MultiHeadAttention",
            lambda: heads(x, x, x, key_padding_mask=padding),
            "MultiHeadAttention.forward takes no argument 'key_padding_mask': pass mask=~key_padding_mask[:, None, Non",
        ),
        ("MultiHeadAttention", lambda: L.MultiHeadAttention(8, 2, batch_first=True), "'batch_first': leave it out"),
        ("MultiHeadAttention", lambda: heads(x, average_attn_weights=False), "average with .mean(1)"),
        ("MultiHeadAttention", lambda: heads(x, masks=mask), "did you mean 'mask'? it takes query, key, value, mask"),
        ("RelativeWindowAttention", lambda: L.RelativeWindowAttention(8, 2, 3)(x, attn_mask=mask), "mask=~attn_mask"),
        ("TransformerEncoderLayer", lambda: stack.layers[0](x, src_mask=mask), "pass mask=~src_mask"),
        ("TransformerEncoder", lambda: stack(x, src_key_padding_mask=padding), "pass mask=~src_key_padding_mask[:,"),
        (
            "TransformerEncoder",
            lambda: M.TransformerEncoder(stack.layers[0], 1, enable_nested_tensor=False),
            "TransformerEncoder takes no argument 'enable_nested_tensor': leave it out",
        ),
        ("TransformerDecoderLayer", lambda: decoder(x, x, tgt_mask=mask), "pass mask=~tgt_mask"),
        ("TransformerDecoderLayer", lambda: decoder(x, x, tgt_key_padding_mask=padding), "pass mask=~tgt_key_padding"),
        (
            "TransformerDecoder",
            lambda: M.TransformerDecoder(decoder, 1)(x, x, memory_key_padding_mask=padding),
            "pass memory_mask=~memory_key_padding_mask[:, None, None, :]",
        ),
        ("TransformerDecoder", lambda: M.TransformerDecoder(decoder, 1)(x, x, tgt_is_causal=True), "pass is_causal="),
        ("Transformer", lambda: transformer(tokens, tokens, src_mask=mask), "'src_mask': leave it out: the model"),
        ("Transformer", lambda: transformer(tokens, tokens, src_key_padding_mask=padding), "pass lengths=(~src_key_pa"),
        ("Transformer", lambda: M.Transformer(11, batch_first=True), "'batch_first': leave it out"),
        ("RNN", lambda: L.RNN(L.LSTM_cell(8, 4), batch_first=True), "'batch_first': leave it out"),
        ("LSTM", lambda: M.LSTM(8, 4, batch_first=True)(x, hx=None), "LSTM.forward takes no argument 'hx': pass state"),
        ("GRU", lambda: M.GRU(8, 4, batch_first=True)(input=x), "pass it as x"),
        ("LSTM_cell", lambda: L.LSTM_cell(8, 4)(x[0], hx=None), "pass state=hx"),
        ("DotProductAttention", lambda: G.scaled_dot_product_attention(x, x, x, attn_mask=mask), "pass mask=~attn_m"),
        ("Linear", lambda: G.linear(input=x, weight=x[0]), "linear takes no argument 'input': pass it as x"),
        ("Linear", lambda: G.linear(x), "linear() got wrong arguments: missing a required argument: 'weight'"),
        (
            "MultinomialLogisticRegression",
            lambda: G.cross_entropy(scores, labels, label_smoothin=0.1),
            "did you mean 'label_smoothing'? it takes input, target",
        ),
    )
]

MODEL = "MultinomialLogisticRegression"  # whose loss is the cross-entropy
LABELS = [
    (
        MODEL,
        lambda: G.cross_entropy(scores, labels.float()),
        TypeError,
        "got torch.float32; convert with target.long()",
    ),
    (MODEL, lambda: G.cross_entropy(scores[0], labels[1].float()), TypeError, "convert with target.long()"),
    (MODEL, lambda: G.cross_entropy(scores, labels.int()), TypeError, "got torch.int32; convert with target.long()"),
    (MODEL, lambda: G.cross_entropy(labels, scores), TypeError, "got input of torch.int64 and target of torch.float32"),
    (MODEL, lambda: G.cross_entropy(scores, labels[:, None]), ValueError, "use target.squeeze(1)"),
    (MODEL, lambda: G.cross_entropy(scores, labels.tolist()), TypeError, "target must be a torch.Tensor, got list"),
    (MODEL, lambda: G.cross_entropy(scores, labels.numpy()), TypeError, "target must be a torch.Tensor, got ndarray"),
    (MODEL, lambda: G.nll_loss(scores, labels.float()), TypeError, "convert with target.long()"),
    (MODEL, lambda: G.mse_loss(scores, scores.numpy()), TypeError, "target must be a torch.Tensor, got ndarray"),
]

CHANNELS = "the channels come before height and width: pass x.permute(0, 3, 1, 2)"
IMAGES = [
    ("Conv2d", lambda: L.Conv2d(3, 4, 3)(images.permute(0, 2, 3, 1)), ValueError, CHANNELS),
    ("SimpleCNN", lambda: M.SimpleCNN()(images.permute(0, 2, 3, 1)), ValueError, CHANNELS),
    ("SimpleCNN", lambda: M.SimpleCNN()(images[0]), ValueError, "a single sample gets its batch axis with x.unsqueeze"),
    ("SimpleCNN", lambda: M.SimpleCNN()(np.ones((1, 3, 32, 32))), TypeError, "x must be a torch.Tensor, got ndarray"),
    ("Conv2d", lambda: L.Conv2d(3, 4, 3)(images.byte()), TypeError, "got torch.uint8; convert with x.float()"),
    ("BatchNorm2d", lambda: L.BatchNorm2d(3)(images[0]), ValueError, "gets its batch axis with x.unsqueeze(0)"),
]

DOUBLE = "x is torch.float64, but weight is torch.float32: convert x with x.float(), or the model with model.double()"
ELSEWHERE = 'x is on meta, but weight is on cpu: move x with x.to("cpu"), or the model with model.to("meta")'
TYPES = [
    *[
        (name, lambda m=module, v=value: m(v.double()), TypeError, words)
        for name, module, value, words in (
            ("Linear", L.Linear(8, 4), x, DOUBLE),
            ("Conv2d", L.Conv2d(3, 4, 3), images, DOUBLE),
            ("GLU", L.GLU(8, 4), x, DOUBLE),
            ("MultiHeadAttention", heads, x, DOUBLE),
            ("LSTM", M.LSTM(8, 4), x, "is torch.float32: convert x with x.float(), or the model with model.double()"),
            ("GRU_cell", L.GRU_cell(8, 4), x[0], "convert x with x.float(), or the model with model.double()"),
            ("TransformerEncoder", stack, x, "is torch.float32: convert x with x.float(), or the model with model.dou"),
        )
    ],
    ("Linear", lambda: L.Linear(8, 4)(x.bfloat16()), TypeError, "or the model with model.to(torch.bfloat16)"),
    ("Linear", lambda: L.Linear(8, 4)(x.long()), TypeError, "convert with x.float()"),
    ("Linear", lambda: L.Linear(8, 4)(x.tolist()), TypeError, "x must be a torch.Tensor, got list"),
    ("Linear", lambda: L.Linear(8, 4)(x.to("meta")), ValueError, ELSEWHERE),
    ("MultiHeadAttention", lambda: heads(x.to("meta")), ValueError, ELSEWHERE),
    ("SimpleCNN", lambda: M.SimpleCNN()(images.to("meta")), ValueError, "x is on meta, but weight is on cpu"),
    (
        MODEL,
        lambda: G.cross_entropy(scores, labels.to("meta")),
        ValueError,
        'target is on meta, but input is on cpu: move target with target.to("cpu")',
    ),
]

BAD_INPUTS = [*KEYWORDS, *LABELS, *IMAGES, *TYPES]
