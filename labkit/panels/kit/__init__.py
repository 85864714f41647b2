"""What panels are made of: model and view, controls, followers of sliders, figures, HTML and scripts."""
