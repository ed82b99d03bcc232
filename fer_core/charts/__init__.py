"""Charts: pure functions from data to figures, one module per subject.

Figures are those of Plotly; charts that are updated live are those of ECharts or Vega-Lite.
Every figure uses the fixed color of each emotion and labels its axes with units. Fonts and
backgrounds come from the page's theme, light or dark.
"""
