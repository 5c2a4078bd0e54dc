"""The decision point of the box: berichten, diensten and a berichtenbox.

It decides as the guard does, on the live Authority. Properties that a caller sends decide nothing.
"""
