"""Charts: pure functions from data to Plotly figures, one module per subject.

Each emotion has the same color in all figures. Axes are labeled with units. Fonts and backgrounds
are those of the page's theme, light or dark.
"""
