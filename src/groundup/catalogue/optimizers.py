"""The catalogue's optimizers and schedulers."""

from __future__ import annotations

from groundup.catalogue.component import Component

_ROBBINS = ("Robbins and Monro 1951, A Stochastic Approximation Method", "https://doi.org/10.1214/aoms/1177729586")
_SUTSKEVER = (
    "Sutskever et al. 2013, On the Importance of Initialization and Momentum in Deep Learning",
    "https://proceedings.mlr.press/v28/sutskever13.html",
)
_DUCHI = ("Duchi et al. 2011, Adaptive Subgradient Methods", "https://jmlr.org/papers/v12/duchi11a.html")
_HINTON = (
    "Tieleman and Hinton 2012, Lecture 6.5: rmsprop",
    "https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf",
)
_ZEILER = ("Zeiler 2012, ADADELTA", "https://arxiv.org/abs/1212.5701")
_KINGMA = ("Kingma and Ba 2015, Adam", "https://arxiv.org/abs/1412.6980")
_LOSHCHILOV = ("Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization", "https://arxiv.org/abs/1711.05101")
_SGDR = ("Loshchilov and Hutter 2017, SGDR", "https://arxiv.org/abs/1608.03983")


def row(number: int, name: str, summary: str, source: tuple[str, str], oracle: str) -> Component:
    return Component(number, name, "optimizers", "groundup.optimizers", summary, *source, oracle)


ROWS = (
    row(46, "Optimizer", "base class of the update rules", _ROBBINS, "torch.optim.Optimizer"),
    row(47, "SGD", "stochastic gradient descent", _ROBBINS, "torch.optim.SGD"),
    row(48, "SGD_Momentum", "SGD with momentum, optionally Nesterov's", _SUTSKEVER, "torch.optim.SGD(momentum)"),
    row(49, "AdaGrad", "a learning rate per coordinate, from all past gradients", _DUCHI, "torch.optim.Adagrad"),
    row(50, "RMSProp", "a learning rate per coordinate, from recent gradients", _HINTON, "torch.optim.RMSprop"),
    row(51, "AdaDelta", "step sizes from recent gradients and recent updates", _ZEILER, "torch.optim.Adadelta"),
    row(52, "Adam", "adaptive estimates of the first and second moment", _KINGMA, "torch.optim.Adam"),
    row(53, "AdamW", "Adam with decoupled weight decay", _LOSHCHILOV, "torch.optim.AdamW"),
    row(54, "LR_Scheduler", "exponential decay of the learning rate", _ROBBINS, "torch's ExponentialLR, clamped"),
    row(55, "LR_StepScheduler", "decays the learning rate every few steps", _ROBBINS, "torch's StepLR"),
    row(
        56, "LR_PlateauScheduler", "lowers the learning rate when progress stops", _ROBBINS, "torch's ReduceLROnPlateau"
    ),
    row(57, "LR_CosineDecayScheduler", "linear warm-up, then half a cosine", _SGDR, "torch's SequentialLR"),
)
