"""Pictures of rates and of exchanges: they are drawn, and change with what they show."""

import numpy as np
import pandas as pd

from labkit.panels.engine_figures import exchange_figure, scaling_figure

RATES = pd.DataFrame({"compiled": [1e3, 8e3], "torch": [1e2, 2e3]}, index=[1, 16])


def test_scaling():
    one = scaling_figure(RATES, pd.Series({300: 0.5, 600: 1.1})).data
    assert one[:4] == b"\x89PNG" and one != scaling_figure(RATES, pd.Series({300: 0.5, 600: 2.0})).data


def test_exchange():
    table = pd.DataFrame({"plain": [0.0, 0.4], "exchange": [0.3, 0.4], "exact": [0.29, 0.4]}, index=[300.0, 600.0])
    walkers = np.array([[0, 1], [1, 0], [1, 0]])
    one = exchange_figure(table, walkers, 0.1, [0.5]).data
    assert one[:4] == b"\x89PNG" and one != exchange_figure(table, walkers[:, ::-1], 0.1, [0.5]).data
