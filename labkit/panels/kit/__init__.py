"""What panels are made of: model and view, controls, followers of sliders, figures, HTML and scripts.

A panel is a folder. Its `__init__.py` has the Panel that notebooks use; `model.py` its PanelModel, which a small panel
defines beside the Panel; `figure.py` its figures; `summary.py` its tables and sentences; `script.py` a long script;
`view.py` is there only if the Panel has widgets of its own. `timestep/` is the smallest example.
"""
