"""The command line, one verb a file; installs as geosoil_cli."""
