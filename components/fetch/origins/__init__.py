"""The kinds of places where public data can be had."""
