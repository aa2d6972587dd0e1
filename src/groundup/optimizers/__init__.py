"""Optimizers, learning-rate schedules, weight-decay groups, regularisation and gradient clipping."""

from groundup.optimizers.adam import Adam, AdamW
from groundup.optimizers.adaptive import AdaDelta, AdaGrad, RMSProp
from groundup.optimizers.base import Optimizer
from groundup.optimizers.groups import decay_groups
from groundup.optimizers.regularisation import (
    clip_by_global_norm_,
    clip_by_value_,
    elastic_penalty,
    l1_penalty,
    l2_penalty,
    max_norm_,
)
from groundup.optimizers.schedulers import (
    LR_CosineDecayScheduler,
    LR_NoamScheduler,
    LR_PlateauScheduler,
    LR_Scheduler,
    LR_StepScheduler,
)
from groundup.optimizers.sgd import SGD, SGD_Momentum

__all__ = [
    "Optimizer",
    "SGD",
    "SGD_Momentum",
    "AdaGrad",
    "RMSProp",
    "AdaDelta",
    "Adam",
    "AdamW",
    "LR_Scheduler",
    "LR_StepScheduler",
    "LR_PlateauScheduler",
    "LR_CosineDecayScheduler",
    "LR_NoamScheduler",
    "decay_groups",
    "clip_by_global_norm_",
    "clip_by_value_",
    "l1_penalty",
    "l2_penalty",
    "elastic_penalty",
    "max_norm_",
]
