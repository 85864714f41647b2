"""The audit of a dataset: what is wrong with labelled frames, and how certain that is."""

from labkit.datasets.audit.alignment import Alignment
from labkit.datasets.audit.examination import audit
from labkit.datasets.audit.finding import Finding
from labkit.datasets.audit.report import Report

__all__ = ["Alignment", "Finding", "Report", "audit"]
