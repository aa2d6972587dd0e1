"""Several runs of one model side by side, from their logs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from groundup.checks import require
from groundup.plots.curves import Log, _records, _series
from groundup.plots.style import BLUE, GREEN, INK, ORANGE, PURPLE, Picture, page


def compared_errors(logs: Mapping[str, Log], path: str | Path | None = None, title: str | None = None) -> Picture:
    """Training loss, and test error in % (100 minus the evaluations' accuracy), each over epochs, a line a run.

    Each of `logs`, name → log, is a metrics.jsonl or its records. The losses are on a logarithmic scale, the errors cut
    off above three times the worst of the second halves.
    """
    require(0 < len(logs) <= 5, f"1 to 5 logs can be told apart, got {len(logs)}")
    with page(path, 10.0, 4.2, layout="constrained") as figure:
        left, right = figure.subplots(1, 2)
        top = 0.0
        for (name, log), colour in zip(logs.items(), (INK, BLUE, ORANGE, GREEN, PURPLE)):
            records = _records(log)
            per_epoch = {r["step"]: r["epoch"] for r in records if "evaluation" in r}
            losses = _series(records, "loss")
            last = max((r["step"] for r in records), default=1)
            scale = max(per_epoch.values(), default=1) / last
            left.plot([scale * s for s, _ in losses], [v for _, v in losses], color=colour, linewidth=1.2, label=name)
            errors = [(scale * s, 100 * (1 - v)) for s, v in _series(records, "accuracy", "evaluation")]
            if errors:
                right.plot(*zip(*errors), color=colour, linewidth=1.6)
                top = max(top, max(e for _, e in errors[len(errors) // 2 :]))
                label = f"{name} {errors[-1][1]:.2f} %"
                left.lines[-1].set_label(label)
        left.set(yscale="log", xlabel="epoch", title="training loss")
        right.set(xlabel="epoch", title="test error, %", ylim=(0, max(3 * top, 1.0)))
        figure.legend(loc="outside lower center", ncols=len(logs), frameon=False)
        if title:
            figure.suptitle(title, x=0.02, ha="left", fontsize=13, fontweight="bold")
    return figure
