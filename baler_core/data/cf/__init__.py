"""Read the attributes of the CF conventions and the NetCDF Users Guide, whatever format holds them."""
