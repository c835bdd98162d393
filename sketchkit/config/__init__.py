"""Config files and their names -> resolved configs."""
