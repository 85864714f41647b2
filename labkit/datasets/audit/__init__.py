"""A doctor for data: what is wrong with a set of labelled frames, and how sure that is."""

from labkit.datasets.audit.alignment import Alignment
from labkit.datasets.audit.examination import examine
from labkit.datasets.audit.report import Finding, Report

__all__ = ["Alignment", "Finding", "Report", "examine"]
