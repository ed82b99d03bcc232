"""Charts: pure functions from data to Plotly figures, one module per subject.

Every figure uses the fixed color of each emotion and labels its axes with units. Fonts and
backgrounds come from the page's theme, light or dark.
"""
