"""Records of runs as pages, tables and files."""
