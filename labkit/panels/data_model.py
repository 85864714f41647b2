"""The Data panel without a screen: the examination, its findings as a table, its script and its files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import traitlets

from labkit.datasets import Dataset
from labkit.datasets.audit import Report, audit
from labkit.datasets.audit.finding import row
from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.panels._base import Model
from labkit.panels._controls import parameter as p
from labkit.panels._data_figure import data_figure
from labkit.panels._script import source


class DataModel(Model):
    """A dataset, and the Report on it as `results`; `shift` plants a fault, to see what the report says of it."""

    shift = p(
        traitlets.Int(0), "basic", "shift forces by", "frames", range=(-20, 20, 1), help="on a copy, to see it found"
    )

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        if len(dataset) == 0:
            raise LabkitError("the dataset is empty; expected at least one frame")
        self.dataset = dataset

    def planted(self) -> Dataset:
        """The dataset, its forces moved on by `shift` frames, those of the last to the first."""
        if self.shift == 0:
            return self.dataset
        if len(set(self.dataset.counts.tolist())) > 1:
            raise LabkitError("forces can be shifted for a try only where all frames have as many atoms; set it to 0")
        return replace(self.dataset, forces=np.roll(self.dataset.forces, self.shift * self.dataset.counts[0], axis=0))

    def make_job(self) -> Job:
        return Job(audit, self.planted(), name="data")

    def present(self, result: Report) -> None:
        self.show(data_figure(result))
        self.table = f"<table class='labkit-table'>{''.join(row(f) for f in result.findings)}</table>"
        tried = f"; its forces were shifted by {self.shift:+d} frames on purpose" if self.shift else ""
        self.note = f"{result.head()}{tried}. It took {result.seconds:.1f} s."

    def code(self) -> str:
        lines = ["import labkit"]
        if self.shift:
            lines += ["import numpy as np", "from dataclasses import replace"]
        lines += ["", f"ds = {source(self.dataset, 'ds')}"]
        if self.shift:
            rows = self.shift * int(self.dataset.counts[0])
            lines += [f"ds = replace(ds, forces=np.roll(ds.forces, {rows}, axis=0))  # on purpose"]
        lines += ["report = labkit.audit(ds)", "print(report)", 'report.write("report.json")']
        return "\n".join(lines) + "\n"

    def files(self) -> dict[str, bytes]:
        if self.results is None:
            return {}
        return {"report.json": self.results.to_json().encode(), "findings.csv": self.results.to_csv().encode()}
