"""Charts as SVG: pure functions from numbers to text, coloured by the style sheet of the page."""
