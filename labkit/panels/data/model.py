"""The Data panel without a screen: the audit, its findings as a table, its script and its files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import traitlets

from labkit.datasets import Dataset
from labkit.datasets.audit import Report, audit
from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.panels.data.figure import data_figure
from labkit.panels.data.summary import findings_table
from labkit.panels.kit.controls import parameter as p
from labkit.panels.kit.model import PanelModel
from labkit.panels.kit.script import Script


class DataModel(PanelModel):
    """A dataset, and its Report as `results`; `shift` introduces a fault on purpose, for the audit to find."""

    title = "Data audit"

    shift = p(
        traitlets.Int(0), "basic", "shift forces by", "frames", range=(-20, 20, 1), help="on a copy, to test the audit"
    )

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        if len(dataset) == 0:
            raise LabkitError("the dataset is empty; expected at least one frame")
        self.dataset = dataset
        self.hint = f"{len(dataset)} frames of {dataset.name or 'your own'}. Run looks for what a fit would hide."

    def planted(self) -> Dataset:
        """The dataset with its forces rolled by `shift` frames."""
        if self.shift == 0:
            return self.dataset
        if len(set(self.dataset.counts.tolist())) > 1:
            raise LabkitError("forces can only be shifted if all frames have the same number of atoms; set it to 0")
        return replace(self.dataset, forces=np.roll(self.dataset.forces, self.shift * self.dataset.counts[0], axis=0))

    def make_job(self) -> Job:
        return Job(audit, self.planted(), name="data")

    def present(self, result: Report) -> None:
        self.show(data_figure(result))
        self.table = findings_table(result)
        shift = self.ran.shift
        tried = f"; its forces were shifted by {shift:+d} frames on purpose" if shift else ""
        self.note = f"{result.head()}{tried}. It took {result.seconds:.1f} s."

    def script(self) -> str:
        script = Script()
        script.frames("ds", self.dataset)
        if self.shift:
            script.use("numpy", alias="np")
            script.use("dataclasses", "replace")
            rows = self.shift * int(self.dataset.counts[0])
            script.add(f"ds = replace(ds, forces=np.roll(ds.forces, {rows}, axis=0))  # on purpose")
        script.add("report = labkit.audit(ds)", "print(report)", 'report.write("report.json")')
        return script.text()

    def frames_used(self) -> dict[str, Dataset]:
        return {"ds": self.dataset}

    def outputs(self, result: Report) -> dict[str, bytes]:
        return {"report.json": result.to_json().encode(), "findings.csv": result.to_csv().encode()}
