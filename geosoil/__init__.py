"""geosoil: spectra and rasters into maps of soil."""

__version__ = "0.1.0"
