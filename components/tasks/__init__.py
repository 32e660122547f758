"""What is different about each task. Imported by the server too, so nothing here may need torch at import time."""
