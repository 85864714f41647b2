"""Make labelled frames: sample structures, label them with an oracle, pack what is shipped."""
