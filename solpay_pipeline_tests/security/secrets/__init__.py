"""No key, password or token stands in what is printed or stored."""
