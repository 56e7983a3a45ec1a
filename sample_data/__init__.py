"""Small synthetic data, with the truth known; installs as geosoil_sample_data."""
