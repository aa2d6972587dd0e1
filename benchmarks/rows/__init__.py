"""Every row of the table. To add one: a line or two in the file of its kind, or a new file joined to `ROWS` here."""

from benchmarks.rows.attention import ROWS as ATTENTION
from benchmarks.rows.layers import ROWS as LAYERS
from benchmarks.rows.losses import ROWS as LOSSES
from benchmarks.rows.models import ROWS as MODELS
from benchmarks.rows.optimizers import ROWS as OPTIMIZERS
from benchmarks.rows.recurrent import ROWS as RECURRENT
from benchmarks.rows.vision_residual import ROWS as VISION_RESIDUAL

ROWS = [*LAYERS, *RECURRENT, *ATTENTION, *LOSSES, *OPTIMIZERS, *MODELS, *VISION_RESIDUAL]
