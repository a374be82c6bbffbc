"""Fits the calibration of the feature record from labelled interactions, and lets people label more."""
