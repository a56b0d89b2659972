"""The painting fitter, below its notebook: settings, the live studio, exports and the run without a browser."""
