"""Small neural networks that predict a column's value from the columns already coded."""
