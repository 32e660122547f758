"""Files of rows and columns: CSV and Parquet, read a piece at a time, and what their cells hold."""
