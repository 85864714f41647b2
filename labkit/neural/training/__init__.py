"""Training: from labelled frames to weights."""
