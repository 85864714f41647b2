"""A doctor for data: what is wrong with a set of labelled frames, and how sure that is."""

from labkit.datasets.report.examine import examine
from labkit.datasets.report.finding import Finding, Report
from labkit.datasets.report.shifts import Alignment

__all__ = ["Alignment", "Finding", "Report", "examine"]
