"""The command line, one file per verb; it installs as geosoil_cli."""
