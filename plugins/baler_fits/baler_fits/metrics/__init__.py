"""What the loss did to the quantities of this field."""
